"""`/api/v1/uploads` and `/api/v1/loras`: what a job may begin with, and what it may be made with."""

from typing import BinaryIO, Final

from starlette.requests import Request
from starlette.responses import Response

from app.flows import loras, uploads
from app.flows.studio import Studio
from app.flows.views import lora_json, upload_json
from app.web.api import Call, json_answer
from app.web.bodies import body_chunks
from app.web.threads import in_picture_thread, in_thread

# So much is gathered in memory before it goes to the disk.
PIECE: Final = 1 << 20


async def post_upload(studio: Studio, call: Call) -> Response:
    kind = call.request.headers.get("content-type", "")
    with await in_thread(uploads.begin_upload, studio, call.actor, kind, call.origin) as content:
        await _write(call.request, content)
        kept = await in_picture_thread(uploads.keep_upload, studio, call.actor, content, call.origin)
    return json_answer(upload_json(kept), 201)


async def get_uploads(studio: Studio, call: Call) -> Response:
    found = await in_thread(uploads.list_uploads, studio, call.actor, call.origin)
    return json_answer({"items": [upload_json(each) for each in found], "next_cursor": None})


async def delete_upload(studio: Studio, call: Call) -> Response:
    await in_thread(uploads.delete_upload, studio, call.actor, call.path("id"), call.origin)
    return Response(status_code=204)


async def get_loras(studio: Studio, call: Call) -> Response:
    found = await in_thread(loras.list_loras, studio, call.actor, call.origin)
    return json_answer({"items": [lora_json(each) for each in found], "next_cursor": None})


ENDPOINTS: Final = (
    ("POST", "/uploads", post_upload),
    ("GET", "/uploads", get_uploads),
    ("DELETE", "/uploads/{id}", delete_upload),
    ("GET", "/loras", get_loras),
)


async def _write(request: Request, content: BinaryIO) -> None:
    """The body as it comes; the guard has seen to its length."""
    gathered = bytearray()
    async for chunk in body_chunks(request.receive):
        gathered.extend(chunk)
        if len(gathered) >= PIECE:
            await in_thread(content.write, bytes(gathered))
            gathered.clear()
    await in_thread(content.write, bytes(gathered))
