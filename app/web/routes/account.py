"""One's own account outside of Gradio's page: password, language, draft, and how the service is."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.responses import Response

from app.auth.passwords import MAX_LENGTH, MIN_LENGTH
from app.domain.errors import FieldError, InvalidRequestError, RateLimitedError, StudioError
from app.flows import account, drafts
from app.flows.status import service_status
from app.flows.studio import Studio
from app.messages import LANGUAGES, error_text, field_text
from app.web.bodies import json_object
from app.web.cookies import local_path, set_language
from app.web.identity import actor_of, visitor_of
from app.web.notices import status_json
from app.web.problems import STATUS, problem_of
from app.web.render import render
from app.web.threads import in_login_thread, in_thread

SEE_OTHER: Final = 303


def router(studio: Studio) -> APIRouter:
    routes = APIRouter()

    @routes.get("/account/password")
    def show_password(request: Request) -> Response:
        return password_page(request)

    @routes.post("/account/password")
    async def change_password(
        request: Request, old: Annotated[str, Form()] = "", new: Annotated[str, Form()] = ""
    ) -> Response:
        try:
            await in_login_thread(
                account.change_password, studio, actor_of(request), old, new, visitor_of(request).origin
            )
        except StudioError as error:
            return password_page(request, error)
        return RedirectResponse(f"{_root(request)}/", SEE_OTHER)

    @routes.post("/account/language")
    async def choose(request: Request) -> Response:
        return await choose_language(studio, request)

    @routes.get("/account/status")
    async def status(request: Request) -> Response:
        visitor = visitor_of(request)
        actor = actor_of(request)
        found = await in_thread(service_status, studio, actor, visitor.origin)
        return JSONResponse(status_json(found, actor, visitor.language))

    @routes.get("/account/draft")
    @routes.put("/account/draft")
    async def draft(request: Request) -> Response:
        try:
            return await exchange_draft(studio, request)
        except StudioError as error:
            return problem_of(error, visitor_of(request).language)

    return routes


async def exchange_draft(studio: Studio, request: Request) -> Response:
    """What this person has typed and not sent: handed out, or put in the place of what was kept."""
    actor, origin = actor_of(request), visitor_of(request).origin
    if request.method == "PUT":
        await in_thread(drafts.keep_draft, studio, actor, await json_object(request), origin)
        return Response(status_code=204)
    return JSONResponse({"draft": await in_thread(drafts.read_draft, studio, actor, origin)})


def password_page(request: Request, error: StudioError | None = None) -> Response:
    """The page; a wrong field has its complaint beneath it."""
    language = visitor_of(request).language
    wrong = {each.field: field_text(language, each) for each in getattr(error, "errors", ())}
    body = render(
        "password.html",
        language,
        root=_root(request),
        user=actor_of(request).user,
        error=None if error is None or wrong else error_text(language, error),
        wrong=wrong,
        minimum=MIN_LENGTH,
        maximum=MAX_LENGTH,
    )
    response = HTMLResponse(body, 200 if error is None else STATUS[error.code])
    if isinstance(error, RateLimitedError):
        response.headers["retry-after"] = str(error.retry_after)
    return response


async def choose_language(studio: Studio, request: Request) -> Response:
    """From a form: back to where it stood. From a script: 204."""
    visitor = visitor_of(request)
    is_json = request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    try:
        given: Any = await json_object(request) if is_json else await request.form()
        language = given.get("language")
        if not isinstance(language, str) or language not in LANGUAGES:
            raise InvalidRequestError(
                [FieldError("language", "ui.wrong.language", {"languages": ", ".join(LANGUAGES)})]
            )
        if visitor.actor is not None:
            await in_thread(account.set_language, studio, visitor.actor, language, visitor.origin)
    except StudioError as error:
        return problem_of(error, visitor.language)
    wanted = str(given.get("next", "/"))
    response = Response(status_code=204) if is_json else RedirectResponse(local_path(wanted, _root(request)), SEE_OTHER)
    set_language(response, request, language)
    return response


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")
