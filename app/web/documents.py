"""Gradio's page made ours: a nonce on each script, the person's language, and where the page lives."""

import json
import re
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.bodies import held_back
from app.web.headers import STUDIO, inner_path
from app.web.identity import Visitor

# Gradio asks the browser for its language and knows no other way to be told.
LANGUAGE: Final = 'Object.defineProperty(navigator,"language",{{get(){{return {language}}}}})'

# Gradio adds our head by script; a page without an icon lets the browser ask for one outside of our prefix.
ICON: Final = '<link rel="icon" type="image/svg+xml" href="assets-atelier/favicon.svg">'

# Gradio's own name and picture, for sites that show previews; whoever has not signed in sees none of this page.
SOCIAL: Final = re.compile(r'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>')

IN_ENGLISH: Final = re.compile(r'(<html\s+lang=")en')


class StudioDocument:
    """Rewrites the HTML of the studio page; everything else passes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or inner_path(scope) != STUDIO:
            await self._app(scope, receive, send)
            return

        def change(start: Message, body: bytes) -> bytes:
            if not Headers(raw=start["headers"]).get("content-type", "").startswith("text/html"):
                return body
            page = rewritten(body.decode(), scope["state"]["visitor"]).encode()
            MutableHeaders(raw=start["headers"])["content-length"] = str(len(page))
            return page

        await self._app(scope, receive, held_back(send, change))


def rewritten(html: str, visitor: Visitor) -> str:
    """The page for this visitor."""
    told = f"<script>{LANGUAGE.format(language=json.dumps(visitor.language))}</script>"
    html = html.replace("<head>", f"<head>{told}{ICON}", 1)
    html = IN_ENGLISH.sub(rf"\g<1>{visitor.language}", html, count=1)
    html = SOCIAL.sub("", html)
    return html.replace("<script", f'<script nonce="{visitor.nonce}"')
