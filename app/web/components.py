"""The few Gradio components that the tabs are made of, with our defaults."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import gradio as gr

from app.web.texts import label

FRAGMENTS: Final = Path(__file__).parent / "templates" / "studio"


def fragment(name: str) -> gr.HTML:
    """Markup that is the same for everybody; our scripts fill it for whoever looks at it."""
    return gr.HTML(_fragment(name), apply_default_css=False, js_on_load=None)


def markup(first: str = "", **options: Any) -> gr.HTML:  # noqa: ANN401 - Gradio's options
    """A place for markup that a handler renders; `first` names the fragment that stands there before."""
    return gr.HTML(_fragment(first) if first else "", apply_default_css=False, js_on_load=None, **options)


def number(key: str, value: float | None, **options: Any) -> gr.Number:  # noqa: ANN401 - Gradio's options
    """Without limits of its own: the flow names wrong values in the person's language."""
    return gr.Number(value, label=label(key), min_width=80, **options)


def unseen_button(elem_id: str) -> gr.Button:
    """Pressed by our scripts."""
    return gr.Button("", elem_id=elem_id, visible="hidden")


@cache
def _fragment(name: str) -> str:
    return (FRAGMENTS / f"{name}.html").read_text(encoding="utf-8")
