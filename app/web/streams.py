"""Streams end when the identity that opened them does: a session, a token, a role or an account that changed."""

import asyncio
import logging
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.errors import UnavailableError
from app.domain.people import Principal
from app.flows.identify import still_stands
from app.flows.studio import Studio
from app.logs import where
from app.web.identity import Visitor
from app.web.threads import in_thread

log = logging.getLogger(__name__)

# Nobody announces that a time has run out.
LOOK_SECONDS: Final = 20.0


class EndingStreams:
    """ASGI, inside the guard."""

    def __init__(self, app: ASGIApp, studio: Studio) -> None:
        self._app = app
        self._studio = studio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visitor: Visitor | None = scope.get("state", {}).get("visitor")
        if scope["type"] != "http" or visitor is None or visitor.actor is None:
            await self._app(scope, receive, send)
            return
        stream = _Stream(self._studio, visitor.actor, receive, send)
        try:
            await self._app(scope, stream.receive, stream.send)
        finally:
            await stream.close()


class _Stream:
    """One answer. Once the identity is gone the browser gets the end of the stream, and the app a disconnect."""

    def __init__(self, studio: Studio, actor: Principal, receive: Receive, send: Send) -> None:
        self._studio, self._actor = studio, actor
        self._receive, self._send = receive, send
        self._over = asyncio.Event()
        self._sending = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    async def send(self, message: Message) -> None:
        async with self._sending:
            if self._over.is_set():
                return
            await self._send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._over.set()
        if message["type"] == "http.response.start" and _is_stream(message):
            self._watching = asyncio.create_task(self._watch())

    async def receive(self) -> Message:
        # Once the last chunk is out the server itself says that the browser has gone.
        return {"type": "http.disconnect"} if self._over.is_set() else await self._receive()

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            # Whatever its last word met: the answer is over.
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        identities = self._studio.identities
        while True:
            version = identities.version(self._actor.user_id)
            if identities.closed or not await self._stands():
                break
            await identities.wait(self._actor.user_id, version, LOOK_SECONDS)
        async with self._sending:
            if self._over.is_set():
                return  # it came to its own end meanwhile
            self._over.set()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stands(self) -> bool:
        """A database that is away for a moment ends nothing; whatever else goes wrong must not leave it unwatched."""
        try:
            return await in_thread(still_stands, self._studio, self._actor)
        except UnavailableError:
            return True
        except Exception as error:
            log.error("A stream ends: %s", type(error).__name__, exc_info=where(error))
            return False


def _is_stream(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
