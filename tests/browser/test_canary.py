"""Words that only one person knows go the whole way through the program, and turn up only where they belong."""

import importlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.chromium import Visit, chromium
from tests.browser.evidence import PROMPTS, Observed, files, found_in, picture_parts, process_words, table_cells
from tests.engine.waiting import wait_for
from tests.gradio_events import server_events
from tests.serving import Served, json_lines, serving, until_ended

# It ships no types.
gradio_client: Any = importlib.import_module("gradio_client")
AppError: type[Exception] = importlib.import_module("gradio_client.exceptions").AppError

SOON: Final = 20_000
JSON: Final = {"Content-Type": "application/json"}
WRITTEN: Final = {
    "prompt": "palimpsestquokka",
    "Chinese prompt": "翡翠琉璃鸳鸯",
    "negative prompt": "gossamerwombat",
    "Chinese negative prompt": "蹒跚麒麟",
}
PASSWORDS: Final = {
    "first password": "Osprey-First-Marzipan-58",
    "password": "Kestrel-Right-Quill-4711",
    "new password": "Bittern-Newer-Sextant-33",
    "wrong password": "Lapwing-Wrong-Thimble-9",
    "password as a name": "Dotterel-Misplaced-Lute-6",
}
PROMPT: Final = f"a {WRITTEN['prompt']} beside {WRITTEN['Chinese prompt']}"
NEGATIVE: Final = f"{WRITTEN['negative prompt']}, {WRITTEN['Chinese negative prompt']}"
ORDER: Final = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "guidance_scale": 1,
    "width": 256,
    "height": 256,
    "steps": 2,
}


class Trail:
    """One run of the program, the secrets that it has given out, and what it has answered to scripts."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.secrets = dict(PASSWORDS)
        self.pieces: dict[str, bytes] = {}

    def script(self, **headers: str) -> httpx.Client:
        """A client whose refusals are kept."""

        def keep(response: httpx.Response) -> None:
            if response.status_code >= 400:
                asked = f"{len(self.pieces)}: {response.status_code} {response.request.url.path}"
                self.pieces[asked] = response.read() + repr(response.headers).encode()

        return httpx.Client(base_url=self.served.url, headers=headers, timeout=30, event_hooks={"response": [keep]})

    def with_token(self, token: str) -> httpx.Client:
        self.secrets |= {f"token {token[4:16]}": token, f"secret of {token[4:16]}": token[17:-8]}
        return self.script(Authorization=f"Bearer {token}")

    @contextmanager
    def signed_in(self, name: str, password: str) -> Iterator[httpx.Client]:
        with self.script(Origin=self.served.url) as client:
            assert client.post("/login", data={"username": name, "password": password}).status_code == 303
            self.secrets[f"cookie of {name} {len(self.secrets)}"] = client.cookies["atelier_session"]
            yield client


@pytest.mark.timeout(300)
def test_prompts_and_secrets_turn_up_only_where_they_belong(tmp_path: Path) -> None:
    flags = ("--log-level", "debug")
    with serving(tmp_path, *flags, ATELIER_ADMIN_PASSWORD=PASSWORDS["first password"]) as served, chromium() as browser:
        served.until_ready()
        trail = Trail(served)
        add_people(trail)
        visit = Visit(browser, served.url)
        watched = Observed(visit)
        enter(visit, watched, trail)
        ask_for_pictures(visit, watched)
        token = open_every_tab(visit, watched)
        order_by_script(trail, token)
        misuse(trail, token)
        is_refused_to_a_guest(trail)
        leave(visit, watched)
        trail.pieces |= watched.pieces
        is_clean(trail)
        assert served.stop() == 0

    with serving(tmp_path, *flags, "--log-format", "json", ATELIER_ADMIN_PASSWORD="") as again:
        again.until_open()
        second = Trail(again)
        second.secrets |= trail.secrets
        misuse(second, token)
        is_clean(second)
        assert again.stop() == 0
        assert all({"time", "level", "logger", "message"} <= set(line) for line in json_lines(again.err))
        assert [line["event"] for line in json_lines(again.out)] == ["ready"]


def add_people(trail: Trail) -> None:
    with trail.signed_in("admin", PASSWORDS["first password"]) as boss:
        for name, role in (("wren", "member"), ("gull", "guest")):
            body = {"username": name, "password": PASSWORDS["password"], "role": role, "must_change": False}
            assert boss.post("/api/v1/admin/users", json=body).status_code == 201


def enter(visit: Visit, watched: Observed, trail: Trail) -> None:
    """At the third try: with the password in the wrong field, then with a wrong one."""
    for name, password in ((PASSWORDS["password as a name"], "x"), ("wren", PASSWORDS["wrong password"])):
        visit.sign_in(name, password)
        expect(visit.page.locator("#wrong")).to_be_visible(timeout=SOON)
        watched.look()
    visit.sign_in("wren", PASSWORDS["password"])
    visit.arrives()
    trail.secrets["cookie of the page"] = watched.session()


def ask_for_pictures(visit: Visit, watched: Observed) -> None:
    """Two wrong orders, then a right one with both prompts."""
    page = visit.page
    generate = page.get_by_role("button", name="Generate", exact=True)
    page.locator("#advanced > button").click()
    put(page.get_by_label("Guidance"), "1")
    put(page.locator("#negative-prompt textarea"), NEGATIVE)
    for prompt, width, told in ((PROMPT * 100, "256", "2000"), (PROMPT, "1000", "multiple of 16")):
        put(page.get_by_label("Width", exact=True), width)
        put(page.get_by_label("Prompt", exact=True), prompt)
        generate.click()
        expect(page.locator(".toast-body").filter(has_text=told).first).to_be_visible(timeout=SOON)
    for label, value in (("Width", "256"), ("Height", "256"), ("Steps", "2")):
        put(page.get_by_label(label, exact=True), value)
    put(page.get_by_label("Prompt", exact=True), PROMPT)
    generate.click()
    expect(page.locator("#gallery img")).to_have_count(1, timeout=30_000)
    watched.look()


def put(field: Locator, value: str) -> None:
    """Until it is there: while the page is busy, the focus may go elsewhere under the typing."""

    def stays() -> bool:
        field.fill(value)
        return field.input_value() == value

    wait_for(stays)


def open_every_tab(visit: Visit, watched: Observed) -> str:
    """The API token that was made on the way."""
    page = visit.page
    page.locator("#tab-gallery-button").click()
    expect(page.locator("#library img")).to_have_count(1, timeout=SOON)
    page.locator("#library img").click()
    page.keyboard.press("Escape")
    page.locator("#tab-account-button").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("canary")
    page.get_by_role("checkbox", name="Generate").check()
    page.get_by_role("button", name="Make token").click()
    token = page.locator("#new-token").inner_text(timeout=SOON).strip()
    page.locator("#tab-generate-button").click()
    watched.look()
    return token


def order_by_script(trail: Trail, token: str) -> None:
    """Jobs that succeed, jobs that are refused, and one that fails."""
    served = trail.served
    with trail.with_token(token) as script:
        made = script.post("/api/v1/jobs", json=ORDER)
        assert until_ended(script, made.json()["id"])["state"] == "succeeded"
        client = gradio_client.Client(served.url, headers=dict(script.headers), verbose=False)
        assert len(client.predict(PROMPT, 256, 256, 2, 42, 1, api_name="/generate")) == 1
        with pytest.raises(AppError):
            client.predict(PROMPT, 1000, 256, 2, 42, 1, api_name="/generate")

        pictures = served.folder / "outputs/wren"
        pictures.rename(served.folder / "outputs/away")
        pictures.write_text("no folder")
        failing = script.post("/api/v1/jobs", json=ORDER)
        assert until_ended(script, failing.json()["id"])["error"]["code"] == "storage-error"
        pictures.unlink()
        (served.folder / "outputs/away").rename(pictures)


def misuse(trail: Trail, token: str) -> None:
    """Bodies of every wrong shape, and addresses with what does not belong there."""
    with trail.with_token(token) as script:
        for wrong in ({"width": PROMPT}, {"prompt": [PROMPT]}, {"prompt": f"{PROMPT}\ud800"}, {"count": 99}):
            body = json.dumps(ORDER | wrong)
            assert script.post("/api/v1/jobs", content=body, headers=JSON).status_code == 422
        for path in ("/api/v1/jobs", "/gradio_api/queue/join", "/gradio_api/call/generate", "/login"):
            for body in (json.dumps(ORDER)[:-9], json.dumps(PROMPT), json.dumps({"data": PROMPT})):
                script.post(path, content=body, headers=JSON)
        script.get(f"/api/v1/jobs/{token}")
        for key, word in (("cursor", token), ("password", PASSWORDS["password"]), ("q", WRITTEN["prompt"])):
            script.get("/api/v1/jobs", params={key: word})
        call_wrongly(script)


def call_wrongly(script: httpx.Client) -> None:
    """Events with too few values, too many, and none that fits: Gradio prints what it got."""
    for event in server_events(script):
        if event["api_name"] in {"send", "generate", "make_token"}:
            for data in ([PROMPT], [PROMPT] * 20, [{"x": PROMPT}] * len(event["inputs"])):
                session = secrets.token_hex(8)
                body = {"data": data, "fn_index": event["id"], "session_hash": session}
                script.post("/gradio_api/queue/join", json=body)
                with script.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
                    next((line for line in stream.iter_lines() if "process_completed" in line), None)
    script.post("/gradio_api/queue/join", json={"data": [PROMPT], "fn_index": PROMPT, "session_hash": "x"})


def is_refused_to_a_guest(trail: Trail) -> None:
    with trail.signed_in("gull", PASSWORDS["password"]) as guest:
        assert guest.post("/api/v1/jobs", json={"prompt": PROMPT}).status_code == 403
        wrong = {"old": PASSWORDS["wrong password"], "new": PASSWORDS["new password"]}
        assert guest.post("/account/password", data=wrong).status_code == 422


def leave(visit: Visit, watched: Observed) -> None:
    """Change the password at the second try, and sign out."""
    page = visit.page
    for old in ("wrong password", "password"):
        page.goto(f"{visit.url}/account/password")
        page.fill("[name=old]", PASSWORDS[old])
        page.fill("[name=new]", PASSWORDS["new password"])
        page.click("[type=submit]")
        page.wait_for_load_state()
        watched.look()
    visit.arrives()
    watched.look()
    page.locator("#sign-out").click()
    expect(page.locator("[name=password]")).to_be_visible(timeout=SOON)
    watched.look()


def is_clean(trail: Trail) -> None:
    """While the program runs: its files, its database, its child, its answers, its logs."""
    served, words = trail.served, WRITTEN | trail.secrets
    data, pictures = served.folder / "data", list((served.folder / "outputs").rglob("*.png"))
    pieces = trail.pieces | files(served.folder, but=("atelier.db",)) | process_words(served.engine().pid)
    for path in ("/readyz", "/healthz", "/metrics", "/login"):
        pieces[path] = httpx.get(served.url + path).content
    parts = {str(path): picture_parts(path.read_bytes()) for path in pictures}
    for path, (_, rest) in parts.items():
        del pieces[str(Path(path).relative_to(served.folder))]
        pieces[path] = rest
    pieces |= table_cells(data / "atelier.db", but=PROMPTS)
    assert found_in(pieces, words) == []

    # Whatever the database has overwritten or not yet taken over.
    raw = {path.name: path.read_bytes() for path in data.glob("atelier.db*")}
    texts = {path: text for path, (text, _) in parts.items()}
    assert found_in(raw | texts, trail.secrets) == []
    assert found_in(texts, {"user name": "wren", "address": "127.0.0.1"}) == []

    # The search finds what is there.
    assert found_in(texts, WRITTEN)
    assert len(found_in(table_cells(data / "atelier.db", but=set()), WRITTEN)) == len(WRITTEN) * 3
    told = "".join(served.err)
    assert "DEBUG" in told or '"debug"' in told
    requests = [line for line in served.err if "app.web.access_log" in line]
    assert any("user=wren" in line for line in requests)
    assert not any("?" in line for line in requests)
