"""The answers of an operation: what it gives, and every problem that can come instead."""

from collections.abc import Iterable
from typing import Any, Final

from app.web.openapi.schema import Schema, ref
from app.web.problems import STATUS, TITLES

# The guard, the database and our own mistakes can end any request.
ALWAYS: Final = (
    "bad-request",
    "not-authenticated",
    "password-change-required",
    "payload-too-large",
    "internal-error",
    "unavailable",
)
TELL_WHEN: Final = frozenset({"quota-exceeded", "rate-limited"})
REQUEST_ID: Final = {"$ref": "#/components/headers/RequestId"}
HEADERS: Final = {
    "RequestId": {
        "description": "What the audit trail calls this request",
        "required": True,
        "schema": {"type": "string", "minLength": 8, "maxLength": 64},
    }
}
TO_LOGIN: Final = {
    "description": "A browser (`Accept: text/html`) without a session, or with a password that must be changed",
    "headers": {"Location": {"required": True, "schema": {"type": "string", "format": "uri-reference"}}},
}


def json_of(schema: Schema, description: str = "Done") -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def responses(given: dict[str, Any], codes: Iterable[str]) -> dict[str, Any]:
    """By status: what is given, and the problems of these codes and of every operation."""
    by_status: dict[int, set[str]] = {}
    for code in (*ALWAYS, *codes):
        by_status.setdefault(STATUS[code], set()).add(code)
    all_of_them = given | {str(status): _problem(status, by_status[status]) for status in sorted(by_status)}
    return {
        status: {**each, "headers": {**each.get("headers", {}), "X-Request-Id": REQUEST_ID}}
        for status, each in all_of_them.items()
    }


def _problem(status: int, codes: set[str]) -> dict[str, Any]:
    narrowed: Schema = {"properties": {"status": {"const": status}, "code": {"enum": sorted(codes)}}}
    if codes == {"invalid-request"}:
        narrowed["required"] = ["errors"]
    made: dict[str, Any] = {
        "description": f"{TITLES[status]}: {', '.join(f'`{code}`' for code in sorted(codes))}",
        "content": {"application/problem+json": {"schema": {"allOf": [ref("Problem"), narrowed]}}},
    }
    if codes & TELL_WHEN:
        made["headers"] = {
            "Retry-After": {
                "description": "Seconds" if codes <= TELL_WHEN else f"Seconds, with {_listed(codes & TELL_WHEN)}",
                "required": codes <= TELL_WHEN,
                "schema": {"type": "integer", "minimum": 1},
            }
        }
    return made


def _listed(codes: set[str]) -> str:
    return " and ".join(f"`{code}`" for code in sorted(codes))
