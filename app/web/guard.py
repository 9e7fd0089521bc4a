"""The outermost layer, pure ASGI: who is asking, and may this request go on at all. Default deny.

Order: a clear request, identity, the public list, the closed routes, cross-site, password change; and for requests
with a body all of it again once the body is there, unless it came at once and nobody has changed.
"""

import logging
import re
import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.domain.errors import BadRequestError, CrossSiteError, PasswordChangeRequiredError, StudioError
from app.domain.people import Origin, Principal
from app.domain.uploads import MAX_BYTES
from app.flows.identify import who_has_session, who_has_token
from app.flows.studio import Studio
from app.logs import where
from app.messages import LANGUAGES, negotiate
from app.web.access_log import AccessLog, shown_path
from app.web.bodies import MAX_BODY, limited, replayed, whole_body
from app.web.cookies import session_secret
from app.web.headers import STUDIO, inner_path, with_headers
from app.web.identity import Visitor
from app.web.problems import problem, problem_of
from app.web.proxies import Proxies, plain_address
from app.web.threads import in_thread

logger = logging.getLogger(__name__)

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SINGLE: Final = frozenset({b"host", b"origin", b"cookie", b"authorization", b"sec-fetch-site", b"content-type"})
# Of these one, or two readers end the body in two places.
LENGTHS: Final = frozenset({b"content-length", b"transfer-encoding"})
# No file system has longer names, and some complain.
LONGEST_PART: Final = 255
# What answers without identity.
PUBLIC: Final = re.compile(
    r"/(login|logout|account/language|healthz|readyz|favicon\.ico|robots\.txt|manifest\.json|theme\.css"
    r"|gradio_api/app_id|gradio_api/theme\.css|assets/.*|static/.*|assets-atelier/.*|auth/.*)",
    re.DOTALL,
)
# Gradio routes that nobody needs here and that reach too far (reference: what Gradio does and does not protect).
CLOSED: Final = re.compile(
    r"/(gradio_api/(deep_link|cancel|reset|dev/.*|run-history.*|runs|proxy=.*|vibe.*|undo-vibe.*|custom_component/.*"
    r"|process_recording|call/v2/.*|token|user|startup-events|login_check|component_server|openapi\.json|stream/.*|api/.*|run/.*"
    r"|upload.*|file/.*|file=.*|monitoring.*)|monitoring.*|openapi\.json|docs.*|redoc|svelte/.*|pwa_icon.*|config/.*)",
    re.DOTALL,
)
WHILE_PASSWORD_MUST_CHANGE: Final = frozenset({"/account/password", "/logout", "/account/language"})
# Its flow takes the body piece by piece, and looks itself at the end who asks.
FILES: Final = ("POST", "/api/v1/uploads")
# What an open page asks without anybody touching it: it must not keep a session from being idle.
BY_ITSELF: Final = re.compile(r"/(api/v1/events|account/status|gradio_api/(heartbeat/.*|queue/data))")
# These answer whatever the database does.
NEEDS_NOBODY: Final = frozenset({"/healthz", "/readyz"})
# Until another process is asked again who somebody is; what ends a session there is to end it within a second.
HOLDS_SECONDS: Final = 0.2
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")


@dataclass(frozen=True, slots=True)
class Guard:
    """Wraps the whole application."""

    app: ASGIApp
    studio: Studio
    proxies: Proxies
    root_path: str
    access_log: bool = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        is_proxy = self.proxies.has(scope.get("client"))
        scope = self._placed(self.proxies.trusted(scope))
        visitor = _stranger(scope, is_proxy=is_proxy)
        log = AccessLog(scope, with_headers(send, scope, visitor))
        try:
            visitor = await self._answer(scope, receive, log, visitor)
        finally:
            if self.access_log:
                log.write(visitor)

    async def _answer(self, scope: Scope, receive: Receive, log: AccessLog, visitor: Visitor) -> Visitor:
        """Let the request on or refuse it; who it was."""
        try:
            _require_clear(scope)
            until = anyio.current_time() + HOLDS_SECONDS  # from before it is read: noting the use may take its time
            visitor = await self._identify(scope, visitor)
            scope["state"] = {**scope.get("state", {}), "visitor": visitor}
            refusal = await self._refusal(scope, visitor)
            is_file = (scope["method"], inner_path(scope)) == FILES
            receive = limited(scope, receive, MAX_BYTES if is_file else MAX_BODY)
            if refusal is None and scope["method"] not in SAFE and not is_file:
                asked = self._identity(visitor)
                receive = replayed(await whole_body(receive), receive)
                # It may have come long after its head: who asks counts as of now.
                if self._identity(visitor) != asked or anyio.current_time() > until:
                    visitor = await self._identify(scope, visitor)
                    scope["state"]["visitor"] = visitor
                    refusal = await self._refusal(scope, visitor)
            await (refusal or self.app)(scope, receive, log.send)
        except StudioError as error:
            if not log.status:
                await problem_of(error, visitor.language)(scope, receive, log.send)
        except Exception as error:
            if log.status and isinstance(error.__cause__, HTTPException):
                return visitor  # so Gradio ends the stream of a session that has gone
            # The last border: the server would log the error with its text, which may quote a prompt.
            name = type(error).__name__
            logger.error("%s %s: %s", scope["method"], shown_path(scope), name, exc_info=where(error))
            if not log.status:
                await problem("internal-error", visitor.language)(scope, receive, log.send)
        return visitor

    def _placed(self, scope: Scope) -> Scope:
        """The scope with the prefix in path and root path, whether the proxy stripped it or not."""
        path: str = scope["path"]
        if self.root_path and not path.startswith(f"{self.root_path}/"):
            path = self.root_path + ("/" if path == self.root_path else path)
        return {**scope, "path": path, "raw_path": path.encode(), "root_path": self.root_path}

    async def _identify(self, scope: Scope, visitor: Visitor) -> Visitor:
        if inner_path(scope) in NEEDS_NOBODY:
            return visitor
        connection = HTTPConnection(scope)
        kind, _, token = connection.headers.get("authorization", "").partition(" ")
        actor: Principal | None = None
        if kind.lower() == "bearer":
            actor = await in_thread(who_has_token, self.studio, token.strip(), visitor.origin)
        elif (secret := session_secret(connection)) is not None:
            is_use = BY_ITSELF.fullmatch(inner_path(scope)) is None
            actor = await in_thread(who_has_session, self.studio, secret, is_use=is_use)
        language = actor.user.language if actor and actor.user.language in LANGUAGES else visitor.language
        return Visitor(actor, visitor.origin, language or visitor.language, visitor.nonce)

    def _identity(self, visitor: Visitor) -> int:
        """Another number once something about whoever asks has changed, as far as this process knows."""
        return 0 if visitor.actor is None else self.studio.identities.version(visitor.actor.user_id)

    async def _refusal(self, scope: Scope, visitor: Visitor) -> Response | None:
        path, method = inner_path(scope), scope["method"]
        is_public = PUBLIC.fullmatch(path) is not None
        if visitor.actor is None and not is_public:
            return self._ask_to_sign_in(scope, visitor)
        # Gradio has twins of our own routes with a slash at the end.
        if CLOSED.fullmatch(path) or (path != STUDIO and scope["path"].endswith("/")):
            return problem("not-found", visitor.language)
        if method not in SAFE and not _same_site(scope, visitor):
            if visitor.actor is not None:
                await in_thread(self._note, visitor, CrossSiteError(), path)
            return problem("cross-site", visitor.language)
        actor = visitor.actor
        if actor and actor.user.must_change_password and not is_public and path not in WHILE_PASSWORD_MUST_CHANGE:
            if _wants_page(scope):
                return RedirectResponse(f"{self.root_path}/account/password", 303)
            await in_thread(self._note, visitor, PasswordChangeRequiredError(), path)
            return problem("password-change-required", visitor.language)
        return None

    def _ask_to_sign_in(self, scope: Scope, visitor: Visitor) -> Response:
        if not _wants_page(scope):
            return problem("not-authenticated", visitor.language)
        query = scope["query_string"].decode("latin-1")
        wanted = inner_path(scope) + (f"?{query}" if query else "")
        return RedirectResponse(f"{self.root_path}/login?next={quote(wanted, safe='/')}", 303)

    def _note(self, visitor: Visitor, error: StudioError, path: str) -> None:
        if visitor.actor is not None:
            self.studio.refused(visitor.actor, error, path[:64], visitor.origin)


def _stranger(scope: Scope, *, is_proxy: bool) -> Visitor:
    """Nobody yet. A proxy of ours may have numbered the request; anybody else could forge the trail."""
    connection = HTTPConnection(scope)
    given = connection.headers.get("x-request-id", "") if is_proxy else ""
    origin = Origin(
        ip_address=plain_address(scope["client"][0]) if scope.get("client") else "",
        request_id=given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8),
        user_agent=connection.headers.get("user-agent", "")[:256],
    )
    chosen = connection.cookies.get("lang", "")
    language = chosen if chosen in LANGUAGES else negotiate(connection.headers.get("accept-language", ""))
    return Visitor(None, origin, language, secrets.token_urlsafe(16))


def _require_clear(scope: Scope) -> None:
    """Raises BadRequestError for what two readers could read differently: a header that decides and comes twice,
    a path with a line break at its end, which some patterns see and others do not."""
    path: str = scope["path"]
    names = [name for name, _ in scope["headers"] if name in SINGLE]
    lengths = sum(name in LENGTHS for name, _ in scope["headers"])
    is_plain = path.isprintable() and "\\" not in path
    is_long = any(len(part.encode()) > LONGEST_PART for part in path.split("/"))
    if len(names) != len(set(names)) or lengths > 1 or not is_plain or is_long:
        raise BadRequestError


def _wants_page(scope: Scope) -> bool:
    accepts = HTTPConnection(scope).headers.get("accept", "")
    return scope["method"] in {"GET", "HEAD"} and "text/html" in accepts.lower()


def _same_site(scope: Scope, visitor: Visitor) -> bool:
    """Our own pages say so; tokens need not; a login without cookie, Origin and Sec-Fetch-Site is curl."""
    headers = HTTPConnection(scope).headers
    if visitor.actor is not None and visitor.actor.token_id is not None:
        return True
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if origin is not None and not _is_own(origin, headers.get("host", "")):
        return False
    if site is not None:
        return site == "same-origin"
    if origin is not None:
        return True
    return visitor.actor is None and "cookie" not in headers


def _is_own(origin: str, host: str) -> bool:
    """The host decides: behind a tunnel or a TLS proxy the scheme that we see is not the browser's."""
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
