"""The web application: our routes first, Gradio mounted behind them, the guard around everything."""

from pathlib import Path
from typing import Final

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from app.flows.studio import Studio
from app.web.api import failed_problem, http_problem, unread_problem
from app.web.claims import Claims
from app.web.documents import StudioDocument
from app.web.gradio_queue import GradioQueue
from app.web.guard import Guard
from app.web.headers import inner_path
from app.web.identity import visitor_of
from app.web.ownership import Ownership
from app.web.page import build_page, mount_options
from app.web.problems import problem
from app.web.proxies import Proxies
from app.web.routes import account, health, login, outputs
from app.web.routes.api_v1 import api_v1
from app.web.streams import EndingStreams

STATIC: Final = Path(__file__).parent / "static"
METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
ALLOWED: Final = {"/login": "GET, HEAD, POST", "/logout": "POST"}
GRADIO_SESSIONS: Final = 500


def build_app(studio: Studio, *, root_path: str, trusted_proxies: str, access_log: bool = True) -> ASGIApp:
    """The whole application. Raises ValueError for a list of proxies that cannot be read."""
    proxies = Proxies(part.strip() for part in trusted_proxies.split(",") if part.strip())
    page = build_page(studio)
    queue = GradioQueue(page)
    owned = Ownership(routed_app(studio, page, root_path=root_path), studio, queue, Claims(queue.forget))
    return Guard(EndingStreams(owned, studio), studio, proxies, root_path, access_log)


def routed_app(studio: Studio, page: gr.Blocks, *, root_path: str) -> FastAPI:
    """Everything behind the guard."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(HTTPException, http_problem)
    app.add_exception_handler(RequestValidationError, unread_problem)
    app.add_exception_handler(Exception, failed_problem)
    app.include_router(login.router(studio))
    app.include_router(account.router(studio))
    app.router.routes.extend([*outputs.routes(studio), *health.routes(studio, GradioQueue(page).is_open)])
    # Gradio has routes of the same names: whatever is not ours at these addresses ends here.
    app.router.routes.extend(Route(path, _wrong_method, methods=METHODS) for path in ALLOWED)
    app.router.routes.append(Mount("/api/v1", api_v1(studio)))
    for prefix in ("/api", "/v1", "/outputs", "/account", "/auth"):
        app.router.routes.append(Mount(prefix, _nothing_here))
    app.mount("/assets-atelier", StaticFiles(directory=STATIC))
    app.add_middleware(StudioDocument)
    app.add_middleware(GZipMiddleware, compresslevel=6)
    # Without it Gradio reflects every Origin together with Allow-Credentials.
    app.add_middleware(CORSMiddleware, allow_origins=[])
    _mount_gradio(app, page, root_path)
    return app


def _mount_gradio(app: FastAPI, blocks: gr.Blocks, root_path: str) -> None:
    blocks.state_session_capacity = GRADIO_SESSIONS
    GradioQueue(blocks).prepare()
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        auth_dependency=_username,
        root_path=root_path or None,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        show_error=False,
        max_file_size="1kb",
        app_kwargs={"openapi_url": None, "docs_url": None, "redoc_url": None},
        **mount_options(),
    )
    mounted = app.router.routes[-1]
    if not isinstance(mounted, Mount) or not isinstance(mounted.app, FastAPI):
        raise TypeError("Gradio mounts itself in another way")
    mounted.app.add_exception_handler(RequestValidationError, unread_problem)
    mounted.app.add_exception_handler(Exception, failed_problem)
    # Only a launched app checks that files named by a client were uploaded by one: without it any file is readable.
    blocks.has_launched = True


def _username(request: Request) -> str | None:
    actor = visitor_of(request).actor
    return None if actor is None else actor.user.username


async def _wrong_method(request: Request) -> Response:
    response = problem("method-not-allowed", visitor_of(request).language)
    response.headers["allow"] = ALLOWED[inner_path(request.scope)]
    return response


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    language = visitor_of(HTTPConnection(scope)).language
    await problem("not-found", language)(scope, receive, send)
