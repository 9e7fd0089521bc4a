"""HTML out of our templates. Everything that is filled in is escaped."""

from functools import partial
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.messages import LANGUAGES, translate

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, language: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """`t("key")` inside the template is the text `ui.key` in that language."""
    text = partial(_text, language)
    return _TEMPLATES.get_template(template).render(t=text, language=language, languages=LANGUAGES, **values)


def _text(language: str, key: str, /, **params: str | int) -> str:
    return translate(language, f"ui.{key}", **params)
