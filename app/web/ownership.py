"""Gradio's sessions and events belong to whoever named them first, and nobody fills its queue for the others."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.errors import BadRequestError, NotFoundError, RateLimitedError, UnsupportedMediaTypeError
from app.domain.people import Principal
from app.flows.studio import Studio
from app.web.bodies import held_back, limited, replayed, whole_body
from app.web.claims import Claims, Named, named_in_address, named_in_body
from app.web.gradio_queue import GradioQueue
from app.web.headers import inner_path
from app.web.identity import Visitor
from app.web.threads import in_thread

GRADIO: Final = "/gradio_api/"
CALL: Final = f"{GRADIO}call/"
ANSWER: Final = re.compile(rf"{CALL}[^/]+/([^/]+)")
# One person's events that run or wait at a time, and a minute.
MOST_AT_ONCE: Final = 60
MOST_A_MINUTE: Final = 1200
RETRY_SECONDS: Final = 2
# A click carries a form; names are kept in memory, so they are short and few.
MAX_BODY: Final = 1 << 16
MOST_NAMES: Final = 8
LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Ownership:
    """ASGI, inside the guard. `arriving` counts each person's events that are not in the queue yet."""

    app: ASGIApp
    studio: Studio
    queue: GradioQueue
    claims: Claims
    arriving: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visitor: Visitor | None = scope.get("state", {}).get("visitor")
        if scope["type"] != "http" or visitor is None or visitor.actor is None:
            await self.app(scope, receive, send)
            return
        path = inner_path(scope)
        names = named_in_address(path, QueryParams(scope["query_string"]))
        _require_few(names)
        await self._require(visitor, names, "gradio:address")
        event = ANSWER.fullmatch(path)
        if event is not None and scope["method"] == "GET" and not self.queue.has_answer(event[1]):
            raise NotFoundError
        if not path.startswith(GRADIO) or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        _require_json(scope)
        body = await whole_body(limited(scope, receive, MAX_BODY))
        await self._require_right(visitor, path, named_in_body(body))
        person = visitor.actor.user.username
        await in_thread(self.studio.rates.spend, "gradio-events-of", person, MOST_A_MINUTE)
        if self.queue.busy_for(person) + self.arriving[person] >= MOST_AT_ONCE:
            raise RateLimitedError(retry_after=RETRY_SECONDS)
        self.arriving[person] += 1
        try:
            await self.app(scope, replayed(body, receive), self._claiming(visitor.actor, send))
        finally:
            self.arriving[person] -= 1
            if not self.arriving[person]:
                del self.arriving[person]

    async def _require_right(self, visitor: Visitor, path: str, named: Named) -> None:
        """Raises NotFoundError for what is somebody else's or not there, BadRequestError for too much of it."""
        _require_few(named.names)
        if named.has_files:
            # The page takes no files yet, so no path can be an own upload.
            await self._refuse(visitor, "gradio:file")
        await self._require(visitor, named.names, "gradio:body")
        name = path.removeprefix(CALL)
        known = self.queue.has_endpoint(name) if name != path else self.queue.has_event(named.fn_index)
        if not known:
            raise NotFoundError

    async def _require(self, visitor: Visitor, names: set[str] | frozenset[str], where: str) -> None:
        """Raises NotFoundError when somebody else was first."""
        if names and visitor.actor and not self.claims.claim(visitor.actor.user_id, names, self.studio.clock.now()):
            await self._refuse(visitor, where)

    async def _refuse(self, visitor: Visitor, where: str) -> None:
        error = NotFoundError()
        if visitor.actor is not None:
            await in_thread(self.studio.refused, visitor.actor, error, where, visitor.origin)
        raise error

    def _claiming(self, actor: Principal, send: Send) -> Send:
        """`send` that holds the answer back until the event that it names is this person's.

        An answer to a click is too short to be compressed; nothing else of Gradio's names an event first.
        """

        def claim(_start: Message, body: bytes) -> bytes:
            self.claims.claim(actor.user_id, _events_in(body), self.studio.clock.now())
            return body

        return held_back(send, claim)


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


def _require_json(scope: Scope) -> None:
    """Raises UnsupportedMediaTypeError for anything but JSON."""
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaTypeError
