"""What all endpoints of `/api/v1` share: one signature, errors as problem documents."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.domain.errors import StudioError
from app.domain.people import Origin, Principal
from app.logs import where
from app.web.identity import actor_of, visitor_of
from app.web.problems import problem, problem_of

log = logging.getLogger(__name__)

Endpoint = Callable[["Call"], Awaitable[Response]]
MAX_WAIT: Final = 55
DEFAULT_WAIT: Final = 25
BY_STATUS: Final = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "payload-too-large"}


class Call:
    """One API request: who asks, and what."""

    def __init__(self, request: Request) -> None:
        visitor = visitor_of(request)
        self.request = request
        self.actor: Principal = actor_of(request)
        self.origin: Origin = visitor.origin
        self.language: str = visitor.language
        self.query = request.query_params
        # Of this API: any prefix of a proxy, and where it is mounted.
        self.root: str = request.scope["root_path"]

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])


def routes(endpoints: Iterable[tuple[str, str, Endpoint]]) -> list[Route]:
    """One route for each path, so that a 405 names every method of it; errors are problem documents."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for method, path, endpoint in endpoints:
        by_path.setdefault(path, {})[method] = endpoint
    return [_route(path, by_method) for path, by_method in by_path.items()]


def _route(path: str, by_method: Mapping[str, Endpoint]) -> Route:
    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        try:
            return await by_method[method](Call(request))
        except StudioError as error:
            return problem_of(error, visitor_of(request).language)
        except Exception as error:
            log.error("%s %s: %s", method, path, type(error).__name__, exc_info=where(error))
            return problem("internal-error", visitor_of(request).language)

    return Route(path, answer, methods=list(by_method), name=path)


def json_answer(content: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(content, status)


async def unread_problem(request: Request, _error: Exception) -> Response:
    """In place of FastAPI's own answer, which repeats what was sent."""
    return problem("invalid-request", visitor_of(request).language)


async def failed_problem(request: Request, _error: Exception) -> Response:
    """In place of the server's own words; the guard writes the error down."""
    return problem("internal-error", visitor_of(request).language)


async def http_problem(request: Request, error: Exception) -> Response:
    """Starlette's own refusals as problem documents; FastAPI makes one of ours out of a form that is too large."""
    if isinstance(error.__cause__, StudioError):
        return problem_of(error.__cause__, visitor_of(request).language)
    status = error.status_code if isinstance(error, HTTPException) else 500
    response = problem(BY_STATUS.get(status, "internal-error"), visitor_of(request).language)
    if isinstance(error, HTTPException):
        response.headers.update(error.headers or {})
    return response
