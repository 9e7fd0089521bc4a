"""One line for each request: who, what, how it ended, how long. The path without its query, never a body."""

import logging
import re
import time
from typing import Final

from starlette.types import Message, Scope, Send

from app.web.headers import inner_path
from app.web.identity import Visitor

log = logging.getLogger(__name__)

# The page's own parts are many and say nothing.
QUIET: Final = re.compile(r"/(assets|static|assets-atelier)/|/(favicon\.ico|(gradio_api/)?theme\.css|healthz|readyz)$")
# Gradio writes into its addresses what must not be known to whoever reads a log.
HIDDEN: Final = re.compile(r"(?<=/gradio_api/)(heartbeat|call/[^/]+)/.+")
LONGEST: Final = 200


class AccessLog:
    """Watches one request."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._began = time.monotonic()
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    def write(self, visitor: Visitor) -> None:
        path = inner_path(self._scope)
        if QUIET.match(path) and self.status < 400:  # noqa: PLR2004 - the first of the errors
            return
        log.info(
            "%s %s %d %d ms user=%s address=%s request=%s",
            self._scope["method"],
            shown_path(self._scope),
            self.status,
            round(1000 * (time.monotonic() - self._began)),
            visitor.actor.user.username if visitor.actor else "-",
            visitor.origin.ip_address,
            visitor.origin.request_id,
        )


def shown_path(scope: Scope) -> str:
    """The path as a log may have it."""
    return HIDDEN.sub(r"\1/-", inner_path(scope))[:LONGEST]
