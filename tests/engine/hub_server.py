"""A Hugging Face hub on loopback that holds one repository, and can be away, break off or send wrong bytes."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NO_CONTENT = b""


class HubServer:
    """`asked` are the paths that were asked for, `ranges` the Range of each file that was not asked for whole."""

    def __init__(self, folder: Path, repo: str) -> None:
        self.repo = repo
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
        self.address = ""
        self.asked: list[str] = []
        self.ranges: dict[str, str] = {}
        self.away = False
        # Names of files: how many bytes are sent before the hub goes away, and how often they come wrong.
        self.breaks: dict[str, int] = {}
        self.spoilt: dict[str, int] = {}

    def entry(self, name: str) -> dict[str, Any]:
        """As the hub lists it: weights by their SHA-256, the rest by what git calls it."""
        content = self.files[name]
        blob = hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()  # noqa: S324 - as git names blobs
        listed: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
        if name.endswith(".safetensors"):
            digest = hashlib.sha256(content).hexdigest()
            listed["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
        return listed

    def answer(self, path: str, wanted: str | None) -> tuple[int, bytes, int]:
        """Status, body, and how many bytes of it are sent."""
        self.asked.append(path)
        name = path.removeprefix(f"/{self.repo}/resolve/{COMMIT}/")
        if self.away:
            return 503, NO_CONTENT, 0
        if path.startswith(f"/api/models/{self.repo}"):
            listed = {"id": self.repo, "sha": COMMIT, "siblings": [self.entry(each) for each in self.files]}
            body = json.dumps(listed).encode()
            return 200, body, len(body)
        if name not in self.files:
            return 404, NO_CONTENT, 0
        body, status = self.files[name], 200
        if self.spoilt.get(name):
            self.spoilt[name] -= 1
            body = body[:-1] + bytes([body[-1] ^ 1])
        if wanted:
            self.ranges[name] = wanted
            body, status = body[int(wanted.removeprefix("bytes=").rstrip("-")) :], 206
        if name in self.breaks:
            self.away = True
            return status, body, self.breaks.pop(name)
        return status, body, len(body)


@contextmanager
def hub_server(folder: Path, repo: str, port: int = 0) -> Iterator[HubServer]:
    """Serves the folder as `repo`."""
    hub = HubServer(folder, repo)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, sent = hub.answer(self.path.partition("?")[0], self.headers.get("Range"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:sent])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
