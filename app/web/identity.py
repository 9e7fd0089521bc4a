"""Who is asking, as the guard found out, for routes and for Gradio handlers."""

from dataclasses import dataclass

import gradio as gr
from starlette.requests import HTTPConnection

from app.domain.errors import NotAuthenticatedError
from app.domain.people import Origin, Principal


@dataclass(frozen=True, slots=True)
class Visitor:
    """`actor` None: nobody has signed in. `nonce` is the page's script nonce."""

    actor: Principal | None
    origin: Origin
    language: str
    nonce: str


def visitor_of(connection: HTTPConnection) -> Visitor:
    """What the guard put into the request's scope."""
    visitor: Visitor = connection.scope["state"]["visitor"]
    return visitor


def actor_of(connection: HTTPConnection) -> Principal:
    """Raises NotAuthenticatedError when nobody has signed in."""
    actor = visitor_of(connection).actor
    if actor is None:
        raise NotAuthenticatedError
    return actor


def clicker(request: gr.Request) -> Visitor:
    """Whoever clicked: the visitor behind a Gradio event."""
    if request.request is None:
        raise NotAuthenticatedError
    return visitor_of(request.request)
