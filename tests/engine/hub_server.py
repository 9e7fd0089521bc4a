"""A Hugging Face hub on loopback that holds one repository."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub_server(folder: Path, repo: str, port: int) -> Iterator[list[str]]:
    """Serves the folder as `repo`; yields the paths that were asked for."""
    asked: list[str] = []
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    entries = [
        {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}  # noqa: S324
        for name, content in files.items()
    ]

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            asked.append(path)
            name = path.removeprefix(f"/{repo}/resolve/{COMMIT}/")
            if path.startswith(f"/api/models/{repo}/tree/"):
                self._answer(json.dumps(entries).encode(), {})
            elif path.startswith(f"/api/models/{repo}"):
                siblings = [{"rfilename": entry["path"], "size": entry["size"]} for entry in entries]
                self._answer(json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode(), {})
            elif name in files:
                tag = hashlib.sha1(files[name]).hexdigest()  # noqa: S324 - as git names blobs
                self._answer(files[name], {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})
            else:
                self.send_error(404)

        def _answer(self, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(200)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
