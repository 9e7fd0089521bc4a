"""Security headers on every answer, and the nonce in every page."""

import re
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

from app.web.identity import Visitor

STUDIO: Final = "/"
CACHED: Final = re.compile(r"/(assets|static|outputs)/")
# The file itself, a part of it, or that it has not changed; what else is said there is for this visitor and now.
KEPT: Final = frozenset({200, 206, 304})
OWN_ASSETS: Final = "/assets-atelier/"
COMMON: Final = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
DOCUMENT: Final = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'strict-dynamic'{evaluate};"
    " style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob: data:;"
    " worker-src 'self' blob:; object-src 'none'; base-uri 'self'; frame-ancestors 'none'; form-action 'self'"
)
NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"
# Gradio evaluates strings for gr.HTML and js=; without this its page does not mount. No other page gets it.
EVALUATE: Final = " 'unsafe-eval'"


def with_headers(send: Send, scope: Scope, visitor: Visitor) -> Send:
    """`send` with our headers on the answer's start."""
    path = inner_path(scope)

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in COMMON:
                headers[name] = value
            headers["x-request-id"] = visitor.origin.request_id
            headers["content-security-policy"] = _policy(headers.get("content-type", ""), path, visitor.nonce)
            if scope["scheme"] == "https":
                headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
            if path.startswith(OWN_ASSETS):
                # Modules import each other by plain names: each is asked for again, and answered with 304.
                headers["cache-control"] = "no-cache"
            elif not CACHED.match(path) or message["status"] not in KEPT:
                headers["cache-control"] = "no-store"
            if headers.get("content-type", "").startswith("text/event-stream"):
                headers["x-accel-buffering"] = "no"
        await send(message)

    return send_with_headers


def inner_path(scope: Scope) -> str:
    """The path without a proxy's prefix and without slashes at the end."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(f"{root}/"):
        path = path[len(root) :]
    return path.rstrip("/") or STUDIO


def _policy(content_type: str, path: str, nonce: str) -> str:
    if not content_type.startswith("text/html"):
        return NOTHING
    return DOCUMENT.format(nonce=nonce, evaluate=EVALUATE if path == STUDIO else "")
