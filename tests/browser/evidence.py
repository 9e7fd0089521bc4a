"""What a run of the program leaves behind, piece by piece, and a search of it for words that must not be there."""

import json
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from playwright.sync_api import ConsoleMessage, Error, Request, Response

from tests.browser.chromium import Visit

# Columns that hold prompts: they are made for it, and so is the view for reports.
PROMPTS: Final = {
    *((place, column) for place in ("jobs", "generation_logs") for column in ("prompt", "negative_prompt")),
    ("drafts", "content"),
}
TEXTS: Final = (b"parameters", b"atelier")
STORAGE: Final = """async () => JSON.stringify([
    {...localStorage}, {...sessionStorage}, await indexedDB.databases(), await caches.keys(),
    document.title, document.cookie, window.name, history.state, location.href,
])"""

Pieces = Mapping[str, bytes]


class Observed:
    """What passes between one browser window and the program, apart from answers that went well."""

    def __init__(self, visit: Visit) -> None:
        self.pieces: dict[str, bytes] = {}
        self._visit = visit
        self._answers: list[Response] = []
        visit.page.on("request", self._request)
        visit.page.on("response", self._response)
        visit.page.on("console", self._console)

    def look(self) -> None:
        """Take in the bodies of refusals, which the browser forgets with the page, and what the page has stored."""
        for answer in self._answers:
            self._keep(f"answer {answer.status} {answer.url}", f"{answer.all_headers()} {_text(answer)}")
        self._answers.clear()
        self._keep("storage", self._visit.page.evaluate(STORAGE))
        for cookie in self._visit.context.cookies():
            if not cookie["name"].endswith("atelier_session"):
                self._keep("cookie", repr(cookie))

    def session(self) -> str:
        """The value of the session's cookie."""
        return next(
            cookie["value"] for cookie in self._visit.context.cookies() if cookie["name"].endswith("atelier_session")
        )

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self._keep("address", f"{request.url} {request.headers.get('referer', '')}")

    def _response(self, response: Response) -> None:
        self._keep("redirect", response.headers.get("location", ""))
        if response.status >= 400:
            self._answers.append(response)

    def _console(self, message: ConsoleMessage) -> None:
        self._keep("console", message.text)

    def _keep(self, name: str, text: str) -> None:
        self.pieces[f"{len(self.pieces)}: {name}"] = text.encode()


def found_in(pieces: Pieces, words: Mapping[str, str]) -> list[str]:
    """Which of the words stand in which piece, however they are written."""
    return [
        f"{name} in {place}"
        for place, content in pieces.items()
        for name, word in words.items()
        if any(form.lower() in content.lower() for form in _forms(word))
    ]


def files(folder: Path, *, but: Iterable[str] = ()) -> dict[str, bytes]:
    """Every file below the folder, except for names that begin so."""
    beginnings = tuple(but)
    return {
        str(path.relative_to(folder)): path.name.encode() + path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(beginnings or ("\0",))
    }


def table_cells(database: Path, *, but: set[tuple[str, str]]) -> dict[str, bytes]:
    """Every column of every table and view, except for those."""
    connection = sqlite3.connect(database)
    try:
        places = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
        found: dict[str, bytes] = {}
        for (place,) in places:
            rows = connection.execute(f'SELECT * FROM "{place}"')  # noqa: S608 - the database's own names
            columns = [column for column, *_ in rows.description]
            for column, cells in zip(columns, zip(*rows.fetchall(), strict=True), strict=False):
                if (place, column) not in but:
                    found[f"{place}.{column}"] = repr(cells).encode()
        return found
    finally:
        connection.close()


def picture_parts(png: bytes) -> tuple[bytes, bytes]:
    """What a picture's own texts say, and everything else in the file."""
    texts, rest = bytearray(), bytearray(png[:8])
    for kind, content in _chunks(png):
        is_own = kind in {b"tEXt", b"iTXt"} and content.partition(b"\0")[0] in TEXTS
        (texts if is_own else rest).extend(content)
    return bytes(texts), bytes(rest)


def process_words(pid: int) -> dict[str, bytes]:
    """What every process of the same user can read about that one."""
    return {f"{name} of {pid}": Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")}


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += 12 + length


def _forms(word: str) -> set[bytes]:
    as_json: Any = json.dumps(word)
    return {word.encode(), as_json.strip('"').encode(), quote(word).encode(), ascii(word)[1:-1].encode()}


def _text(answer: Response) -> str:
    """Empty for a page that was left: a draft that is kept on the way out has an answer that nobody can read."""
    try:
        return answer.text()
    except Error:
        return ""
