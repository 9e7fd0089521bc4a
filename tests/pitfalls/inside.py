"""The application without the guard: what still holds if a request gets past it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gradio as gr
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from app.domain.people import Principal
from app.flows.identify import who_has_token
from app.flows.studio import NOWHERE
from app.web.identity import Visitor
from app.web.server import routed_app
from tests.live import Live


@dataclass(frozen=True)
class LetIn:
    """Every request is that person's."""

    app: ASGIApp
    actor: Principal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["state"] = {**scope.get("state", {}), "visitor": Visitor(self.actor, NOWHERE, "en", "nonce")}
        await self.app(scope, receive, send)


@contextmanager
def inside(live: Live, page: gr.Blocks, name: str) -> Iterator[TestClient]:
    """`page` mounted exactly as ours is, for the person called `name`."""
    actor = who_has_token(live.house.studio, live.token(name), NOWHERE)
    assert actor is not None
    app = LetIn(routed_app(live.house.studio, page, root_path=""), actor)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
