"""A real server on a real socket in this process: the whole application, the dispatcher and the fake engine."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from app.bootstrap import House, build, make_folders, prepare
from app.domain.people import Principal
from app.flows.studio import NOWHERE, console
from app.flows.tokens import create_token
from app.flows.users import create_user
from app.settings import load
from app.web.server import build_app
from tests.databases import fresh_database
from tests.engine.fake_engine import FakeEngine
from tests.engine.waiting import wait_for
from tests.houses import PASSWORD
from tests.pictures import picture

# Made once: each client would read all authorities anew, and asks none.
TRUST = ssl.create_default_context()
JOB: dict[str, Any] = {"prompt": "a red circle", "width": 256, "height": 256, "steps": 4}


@dataclass(frozen=True)
class Live:
    """`url` without a slash at the end."""

    url: str
    house: House
    engine: FakeEngine
    outputs: Path

    def admin(self) -> Principal:
        return console(self.house.studio.clock.now())

    def person(self, name: str, role: str = "member", **fields: object) -> None:
        body = {"username": name, "password": PASSWORD, "role": role, "must_change": False, **fields}
        create_user(self.house.studio, self.admin(), body, NOWHERE)

    def token(self, name: str, *scopes: str) -> str:
        body = {"name": "test", "scopes": scopes or None, "expires_days": 1}
        return create_token(self.house.studio, self.admin(), name, body, NOWHERE).token

    def client(self, token: str = "", **headers: str) -> httpx.Client:
        """A script: follows nothing, sends nothing that it was not told to send."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=TRUST)

    def script_of(self, name: str, role: str = "member", **fields: object) -> httpx.Client:
        """A new person's API client."""
        self.person(name, role, **fields)
        return self.client(self.token(name))

    @contextmanager
    def browser_of(self, name: str) -> Iterator[httpx.Client]:
        """A signed-in session that behaves like our own page."""
        with self.client(Origin=self.url) as client:
            answer = client.post("/login", data={"username": name, "password": PASSWORD, "next": "/"})
            assert answer.status_code == 303, answer.text
            yield client


@contextmanager
def live_server(folder: Path, **settings: object) -> Iterator[Live]:
    with fresh_database("sqlite", folder) as database_url:
        given: dict[str, object] = {
            "database_url": database_url,
            "data_dir": folder / "data",
            "outputs_dir": folder / "outputs",
            "models_dir": folder / "models",
            "admin_password": PASSWORD,
            **settings,
        }
        loaded = load(**given)
        make_folders(loaded)
        engine = FakeEngine(step_delay=0.01)
        house = build(loaded, engine=engine)
        house.claim_data_dir()
        prepare(house, loaded)
        app = build_app(house.studio, root_path=loaded.root_path, trusted_proxies=loaded.trusted_proxies)
        config = uvicorn.Config(
            app,
            port=0,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            ws="none",
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        wait_for(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        house.start()
        try:
            yield Live(f"http://127.0.0.1:{port}", house, engine, loaded.outputs_dir)
        finally:
            house.studio.progress.close()
            server.should_exit = True
            house.stop()
            thread.join(10)
            house.close()


def sent_picture(client: httpx.Client, content: bytes = picture(), kind: str = "image/png") -> httpx.Response:
    """The answer to an upload."""
    return client.post("/api/v1/uploads", content=content, headers={"Content-Type": kind})


def ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job once it has ended."""
    found: dict[str, Any] = {}

    def has_ended() -> bool:
        found.update(client.get(f"/api/v1/jobs/{job_id}").json())
        return found["state"] in {"succeeded", "failed", "cancelled"}

    wait_for(has_ended)
    return found


def token_of(live: Live, name: str, role: str = "member") -> str:
    """A token of that person, who is made if need be."""
    users = live.house.studio.store.read(lambda tx: tx.users.by_name(name))
    if users is None:
        live.person(name, role)
    return live.token(name)
