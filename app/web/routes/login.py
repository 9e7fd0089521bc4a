"""Signing in and out: a page of its own that needs no script."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from app.domain.errors import RateLimitedError, StudioError
from app.domain.people import USERNAME
from app.flows.sign_in import sign_in, sign_out
from app.flows.studio import Studio
from app.messages import LANGUAGES, error_text
from app.web.cookies import clear_session, is_local_path, local_path, set_language, set_session
from app.web.identity import visitor_of
from app.web.problems import STATUS
from app.web.render import render
from app.web.threads import in_login_thread, in_thread

SEE_OTHER: Final = 303


def router(studio: Studio) -> APIRouter:
    routes = APIRouter()

    @routes.api_route("/login", methods=["GET", "HEAD"])
    def show(
        request: Request, wanted: Annotated[str, Query(alias="next")] = "/", language: Annotated[str, Query()] = ""
    ) -> Response:
        if visitor_of(request).actor is not None:
            return RedirectResponse(local_path(wanted, _root(request)), SEE_OTHER)
        if language in LANGUAGES:
            query = urlencode({"next": wanted}) if is_local_path(wanted) else ""
            response = RedirectResponse(f"{_root(request)}/login?{query}", SEE_OTHER)
            set_language(response, request, language)
            return response
        return login_page(request, wanted)

    @routes.post("/login")
    async def enter(
        request: Request,
        username: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        wanted: Annotated[str, Form(alias="next")] = "/",
    ) -> Response:
        try:
            visitor = visitor_of(request)
            secret = await in_login_thread(sign_in, studio, username, password, visitor.origin, replaced=visitor.actor)
        except StudioError as error:
            return login_page(request, wanted, username, error)
        response = RedirectResponse(local_path(wanted, _root(request)), SEE_OTHER)
        set_session(response, request, secret)
        return response

    @routes.post("/logout")
    async def leave(request: Request) -> Response:
        visitor = visitor_of(request)
        if visitor.actor is not None:
            await in_thread(sign_out, studio, visitor.actor, visitor.origin)
        response = RedirectResponse(f"{_root(request)}/login", SEE_OTHER)
        clear_session(response, request)
        # What the browser keeps of the page and of pictures; not "cookies", which would forget the language too.
        response.headers["clear-site-data"] = '"cache", "storage"'
        return response

    return routes


def login_page(request: Request, wanted: str, username: str = "", error: StudioError | None = None) -> Response:
    """The page, with one and the same text for whatever was wrong."""
    language = visitor_of(request).language
    body = render(
        "login.html",
        language,
        root=_root(request),
        wanted=wanted if is_local_path(wanted) else "/",
        # Back comes a name, not the password that somebody typed into its field.
        username=username if USERNAME.fullmatch(username) else "",
        error=error and error_text(language, error),
    )
    response = HTMLResponse(body, 200 if error is None else STATUS[error.code])
    if isinstance(error, RateLimitedError):
        response.headers["retry-after"] = str(error.retry_after)
    return response


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")
