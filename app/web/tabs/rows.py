"""Rows that the server renders: a button in one names its row, then our script presses the Gradio button that acts."""

import html
from dataclasses import dataclass
from typing import Final

import gradio as gr

from app.messages import translate
from app.web.components import unseen_button
from app.web.handlers import TOAST_SECONDS

CHOSEN: Final = "() => [window.atelier.chosen()]"


@dataclass(frozen=True, slots=True)
class Rows:
    """What the buttons in the rows press, and the field that names the row."""

    chosen: gr.Textbox
    buttons: dict[str, gr.Button]


def row_buttons(prefix: str, *names: str) -> Rows:
    """The button for `name` has the id `<prefix>-<name>`; the rows say `data-press` and `data-subject`."""
    return Rows(gr.Textbox(visible=False), {name: unseen_button(f"{prefix}-{name}") for name in names})


def tell_how_many(language: str, key: str, n: int, **params: str) -> None:
    """A toast that counts; the catalogue has the variants `<key>-none` and `<key>-one`."""
    variant = {0: "-none", 1: "-one"}.get(n, "")
    gr.Info(html.escape(translate(language, f"ui.{key}{variant}", n=n, **params)), duration=TOAST_SECONDS)
