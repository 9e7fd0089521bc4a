"""`/outputs/{id}`: the original bytes and the thumbnail, for whoever may see the picture."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from app.domain.errors import StudioError
from app.domain.people import Origin, Principal
from app.flows.gallery import PictureFile, original_file, thumbnail_file
from app.flows.studio import Studio
from app.web.identity import actor_of, visitor_of
from app.web.problems import problem_of
from app.web.threads import in_thread

Find = Callable[[Studio, Principal, str, Origin], PictureFile]
# A picture never changes, but may be deleted or its owner signed out: the browser asks each time, and gets 304.
CACHE = "private, no-cache"


def routes(studio: Studio) -> list[Route]:
    return [
        Route("/outputs/{id}", _sender(studio, original_file, "image/png")),
        Route("/outputs/{id}/thumb", _sender(studio, thumbnail_file, "image/webp")),
    ]


def _sender(studio: Studio, find: Find, media_type: str) -> Callable[[Request], object]:
    async def send(request: Request) -> Response:
        visitor = visitor_of(request)
        try:
            file = await in_thread(find, studio, actor_of(request), request.path_params["id"], visitor.origin)
        except StudioError as error:
            return problem_of(error, visitor.language)
        headers = {"cache-control": CACHE, "etag": f'"{file.etag}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        disposition = "attachment" if "download" in request.query_params else "inline"
        return FileResponse(
            file.path, media_type=media_type, filename=file.name, headers=headers, content_disposition_type=disposition
        )

    return send
