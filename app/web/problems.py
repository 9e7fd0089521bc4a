"""Errors as the API says them: `application/problem+json` (RFC 9457)."""

import json
from typing import Any, Final

from starlette.responses import Response

from app.domain.errors import InvalidRequestError, QuotaExceededError, RateLimitedError, StudioError
from app.messages import error_text, field_text, translate

STATUS: Final = {
    "bad-request": 400,
    "not-authenticated": 401,
    "sign-in-failed": 401,
    "not-permitted": 403,
    "cross-site": 403,
    "password-change-required": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "conflict": 409,
    "payload-too-large": 413,
    "unsupported-media-type": 415,
    "invalid-request": 422,
    "quota-exceeded": 429,
    "too-many-jobs": 429,
    "rate-limited": 429,
    "internal-error": 500,
    "service-paused": 503,
    "engine-unavailable": 503,
    "unavailable": 503,
}
TITLES: Final = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Payload too large",
    415: "Unsupported media type",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal error",
    503: "Service unavailable",
}
NO_STORE: Final = {"cache-control": "no-store"}


def problem(code: str, language: str, *, detail: str = "", extra: dict[str, Any] | None = None) -> Response:
    """A problem document of that code; `detail` defaults to the code's own text."""
    status = STATUS[code]
    document = {
        "type": f"urn:atelier:problem:{code}",
        "title": TITLES[status],
        "status": status,
        "detail": detail or translate(language, f"error.{code}"),
        "code": code,
        **(extra or {}),
    }
    headers = NO_STORE | ({"www-authenticate": "Bearer"} if code == "not-authenticated" else {})
    return Response(json.dumps(document, ensure_ascii=False), status, headers, "application/problem+json")


def problem_of(error: StudioError, language: str) -> Response:
    """The document for one of our own errors, with `errors` and `Retry-After` where they belong."""
    extra: dict[str, Any] = {}
    if isinstance(error, InvalidRequestError):
        extra["errors"] = [{"field": each.field, "message": field_text(language, each)} for each in error.errors]
    response = problem(error.code, language, detail=error_text(language, error), extra=extra)
    if isinstance(error, QuotaExceededError | RateLimitedError):
        response.headers["retry-after"] = str(error.retry_after)
    return response
