"""Reads the catalogues: `<language>/<part>.toml`, nested tables, joined to dotted keys."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from app.domain.errors import FieldError, StudioError

DEFAULT_LANGUAGE: Final = "en"
LANGUAGES: Final = {"en": "English", "zh-CN": "简体中文"}
_FOLDER: Final = Path(__file__).parent


def translate(language: str, key: str, /, **params: str | int | float) -> str:
    """The text in that language; a `detail` that is a key itself is told in it too.

    An unknown key is a programming error: KeyError.
    """
    texts = catalogue(language if language in LANGUAGES else DEFAULT_LANGUAGE)
    if (detail := texts.get(str(params.get("detail")))) is not None:
        params["detail"] = detail.format_map(params)
    return texts[key].format_map(params)


def error_text(language: str, error: StudioError) -> str:
    """What happened and what to do, for the person."""
    return translate(language, error.key, **error.params)


def field_text(language: str, error: FieldError) -> str:
    return translate(language, error.key, **error.params)


def negotiate(accept_language: str) -> str:
    """The best language for an `Accept-Language` header (RFC 9110 §12.5.4); any kind of Chinese gets 简体中文."""
    wanted: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:20]:
        tag, _, quality = part.replace(" ", "").partition(";q=")
        try:
            wanted.append((float(quality or 1), tag.lower()))
        except ValueError:
            continue
    for weight, tag in sorted(wanted, key=lambda pair: -pair[0]):
        if weight <= 0:
            break
        if tag.split("-")[0] == "zh":
            return "zh-CN"
        if tag.split("-")[0] == "en":
            return "en"
    return DEFAULT_LANGUAGE


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of one language by dotted key."""
    texts: dict[str, str] = {}
    for path in sorted((_FOLDER / language).glob("*.toml")):
        texts.update(_flat(tomllib.loads(path.read_text(encoding="utf-8"))))
    return texts


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
