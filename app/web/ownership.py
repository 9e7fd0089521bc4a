"""Gradio's sessions and events belong to whoever named them first, and nobody fills its queue for the others."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.errors import BadRequestError, NotFoundError, RateLimitedError, StudioError, UnsupportedMediaTypeError
from app.flows.studio import Studio
from app.web.bodies import limited
from app.web.claims import Claims, named_in_address, named_in_body
from app.web.headers import inner_path
from app.web.identity import Visitor
from app.web.threads import in_thread

GRADIO: Final = "/gradio_api/"
# One person's events that wait for Gradio; more than every waiting job of a member.
MOST_WAITING: Final = 60
RETRY_SECONDS: Final = 2
# A click carries a form; names are kept in memory, so they are short and few.
MAX_BODY: Final = 1 << 16
MOST_NAMES: Final = 8
LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Ownership:
    """ASGI, inside the guard. `waiting` counts one person's events in Gradio's queue."""

    app: ASGIApp
    studio: Studio
    waiting: Callable[[str], int]
    claims: Claims = field(default_factory=Claims)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visitor: Visitor | None = scope.get("state", {}).get("visitor")
        if scope["type"] != "http" or visitor is None or visitor.actor is None:
            await self.app(scope, receive, send)
            return
        path = inner_path(scope)
        names = named_in_address(path, QueryParams(scope["query_string"]))
        _require_few(names)
        await self._require(visitor, names, "gradio:address")
        if not path.startswith(GRADIO) or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        if self.waiting(visitor.actor.user.username) >= MOST_WAITING:
            raise RateLimitedError(retry_after=RETRY_SECONDS)
        body = await _json_body(scope, limited(scope, receive, MAX_BODY))
        named = named_in_body(body)
        _require_few(named.names)
        if named.has_files:
            # The page takes no files yet, so no path can be an own upload.
            await self._refuse(visitor, "gradio:file")
        await self._require(visitor, named.names, "gradio:body")
        await self.app(scope, _replayed(body, receive), self._claiming(visitor, send))

    async def _require(self, visitor: Visitor, names: set[str] | frozenset[str], where: str) -> None:
        """Raises NotFoundError when somebody else was first."""
        if names and visitor.actor and not self.claims.claim(visitor.actor.user_id, names, self.studio.clock.now()):
            await self._refuse(visitor, where)

    async def _refuse(self, visitor: Visitor, where: str) -> None:
        error = NotFoundError()
        if visitor.actor is not None:
            await in_thread(self.studio.refused, visitor.actor, error, where, visitor.origin)
        raise error

    def _claiming(self, visitor: Visitor, send: Send) -> Send:
        """`send` that holds the answer back until the event that it names is this person's."""
        start: Message | None = None
        body = bytearray()

        async def send_claimed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if message.get("more_body") or start is None:
                return
            if visitor.actor is not None:
                self.claims.claim(visitor.actor.user_id, _events_in(bytes(body)), self.studio.clock.now())
            await send(start)
            await send({"type": "http.response.body", "body": bytes(body)})

        return send_claimed


def _require_few(names: set[str] | frozenset[str]) -> None:
    if len(names) > MOST_NAMES or any(len(name) > LONGEST_NAME for name in names):
        raise BadRequestError


def _events_in(body: bytes) -> set[str]:
    try:
        answer: Any = json.loads(body)
    except ValueError:
        return set()
    found = answer.get("event_id") if isinstance(answer, dict) else None
    return {found} if isinstance(found, str) else set()


async def _json_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body; the guard has limited its size. Raises UnsupportedMediaTypeError for anything but JSON."""
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaTypeError
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        body.extend(message.get("body", b""))
        if not message.get("more_body"):
            return bytes(body)


class _GoneError(StudioError):
    """Whoever asked has left before the end of the question; nobody reads the answer."""

    code = "bad-request"


def _replayed(body: bytes, receive: Receive) -> Receive:
    told = False

    async def receive_replayed() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_replayed
