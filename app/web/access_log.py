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
# So is the name of a shared picture, which opens it.
HIDDEN: Final = re.compile(r"(?<=/gradio_api/)(heartbeat|call/[^/]+)/.+|(?<=^/)(s)/.+", re.DOTALL)
LONGEST: Final = 200
FIRST_ERROR: Final = 400


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
        path = shown_path(self._scope)
        is_quiet = QUIET.match(path) and self.status < FIRST_ERROR
        log.log(
            logging.DEBUG if is_quiet else logging.INFO,
            "%s %s %d %d ms user=%s address=%s request=%s",
            self._scope["method"],
            path,
            self.status,
            round(1000 * (time.monotonic() - self._began)),
            visitor.actor.user.username if visitor.actor else "-",
            visitor.origin.ip_address,
            visitor.origin.request_id,
        )


def shown_path(scope: Scope) -> str:
    """The path as a log may have it: without its query, and whole, though mounted applications cut it."""
    path = inner_path({**scope, "root_path": scope.get("app_root_path", scope.get("root_path", ""))})
    return HIDDEN.sub(lambda found: f"{found[1] or found[2]}/-", path)[:LONGEST]
