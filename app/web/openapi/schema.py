"""Small words for JSON schemas."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

Schema = dict[str, Any]


def text(description: str = "", **rules: object) -> Schema:
    return _described({"type": "string", **rules}, description)


def whole(low: int, high: int | None = None, description: str = "", **rules: object) -> Schema:
    limits = {"minimum": low} if high is None else {"minimum": low, "maximum": high}
    return _described({"type": "integer", **limits, **rules}, description)


def number(low: float, high: float | None = None, description: str = "", **rules: object) -> Schema:
    limits = {"minimum": low} if high is None else {"minimum": low, "maximum": high}
    return _described({"type": "number", **limits, **rules}, description)


def flag(description: str = "", **rules: object) -> Schema:
    return _described({"type": "boolean", **rules}, description)


def time(description: str = "") -> Schema:
    """RFC 3339, UTC."""
    return _described({"type": "string", "format": "date-time", "pattern": "Z$"}, description)


def one_of(kind: type[StrEnum]) -> Schema:
    return {"type": "string", "enum": [each.value for each in kind]}


def or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def answer(description: str, **properties: Schema) -> Schema:
    """What we send: all of these properties are always there, and more may come some day."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return _described(schema, description)


def request(description: str, required: Iterable[str] = (), **properties: Schema) -> Schema:
    """What we accept: these properties and no others."""
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
    return _described(schema, description)


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description} if description else schema
