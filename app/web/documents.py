"""Gradio's page made ours: a nonce on each script, the person's language, and where the page lives."""

import json
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.headers import STUDIO, inner_path
from app.web.identity import Visitor

# Gradio asks the browser for its language and knows no other way to be told.
LANGUAGE: Final = 'Object.defineProperty(navigator,"language",{{get(){{return {language}}}}})'

# Gradio adds our head by script; a page without an icon lets the browser ask for one outside of our prefix.
ICON: Final = '<link rel="icon" type="image/svg+xml" href="assets-atelier/favicon.svg">'


class StudioDocument:
    """Rewrites the HTML of the studio page; everything else passes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or inner_path(scope) != STUDIO:
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def gather(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if message.get("more_body") or start is None:
                return
            content = bytes(body)
            if Headers(raw=start["headers"]).get("content-type", "").startswith("text/html"):
                content = rewritten(content.decode(), scope["state"]["visitor"]).encode()
                MutableHeaders(raw=start["headers"])["content-length"] = str(len(content))
            await send(start)
            await send({"type": "http.response.body", "body": content})

        await self._app(scope, receive, gather)


def rewritten(html: str, visitor: Visitor) -> str:
    """The page for this visitor."""
    told = f"<script>{LANGUAGE.format(language=json.dumps(visitor.language))}</script>"
    html = html.replace("<head>", f"<head>{told}{ICON}", 1)
    html = html.replace('<html lang="en"', f'<html lang="{visitor.language}"', 1)
    return html.replace("<script", f'<script nonce="{visitor.nonce}"')
