"""What arrives from outside, read once: JSON bodies, query parameters, and a limit on size."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from app.domain.errors import (
    BadRequestError,
    FieldError,
    InvalidRequestError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)

MAX_BODY: Final = 1 << 20
SECONDS_FOR_A_BODY: Final = 30.0
SECONDS_FOR_A_FILE: Final = 300.0
DEFAULT_LIMIT: Final = 50


async def json_object(request: Request) -> Mapping[str, object]:
    """The body as a JSON object. Raises UnsupportedMediaTypeError or BadRequestError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaTypeError
    try:
        body: Any = json.loads((await request.body()).decode())
    except (ValueError, RecursionError):  # broken JSON, broken UTF-8, numbers of thousands of digits
        raise BadRequestError from None
    if not isinstance(body, dict):
        raise BadRequestError
    return body


def limit_of(query: QueryParams) -> int:
    """How many items a list should have; the flow checks the range."""
    return whole_number(query, "limit", DEFAULT_LIMIT)


def whole_number(query: QueryParams, field: str, default: int) -> int:
    text = query.get(field)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10):  # noqa: PLR2004 - far beyond any limit
        raise InvalidRequestError([FieldError(field, "field.integer")])
    return int(text)


async def whole_body(receive: Receive) -> bytes:
    """All of it. Raises BadRequestError when it does not come to its end."""
    body = bytearray()
    async for chunk in body_chunks(receive, SECONDS_FOR_A_BODY):
        body.extend(chunk)
    return bytes(body)


async def body_chunks(receive: Receive, seconds: float = SECONDS_FOR_A_FILE) -> AsyncIterator[bytes]:
    """Piece by piece. Raises BadRequestError when it does not come to its end within so many seconds."""
    deadline, more = asyncio.get_running_loop().time() + seconds, True
    while more:
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise BadRequestError from None
        if message["type"] == "http.disconnect":
            raise BadRequestError
        more = bool(message.get("more_body"))
        yield message.get("body", b"")


def replayed(body: bytes, receive: Receive) -> Receive:
    """`receive` that begins with a body that was read already."""
    told = False

    async def receive_replayed() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_replayed


def held_back(send: Send, change: Callable[[Message, bytes], bytes]) -> Send:
    """`send` that gathers the whole answer and sends what `change` makes of its start and its body."""
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
        content = change(start, bytes(body))
        await send(start)
        await send({"type": "http.response.body", "body": content})

    return gather


def limited(scope: Scope, receive: Receive, limit: int = MAX_BODY) -> Receive:
    """`receive` that raises PayloadTooLargeError beyond `limit` bytes, announced or not."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value[:20]) > limit:
            raise PayloadTooLargeError
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                raise PayloadTooLargeError
        return message

    return receive_limited
