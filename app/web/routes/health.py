"""`/healthz` and `/readyz`: for whoever watches the process. States only, no names, no secrets."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.flows.health import readiness
from app.flows.studio import Studio
from app.web.threads import in_thread


def routes(studio: Studio, page_is_open: Callable[[], bool]) -> list[Route]:
    async def alive(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> Response:
        reasons = await in_thread(readiness, studio)
        if not page_is_open():
            reasons = [*reasons, "page"]
        return JSONResponse({"status": "unready" if reasons else "ready", "reasons": reasons}, 503 if reasons else 200)

    return [Route("/healthz", alive), Route("/readyz", ready)]
