"""The texts of the page: labels that the browser translates, and what our scripts say."""

import json
from typing import Final

import gradio as gr
from gradio.i18n import I18nData

from app.messages import LANGUAGES
from app.messages.catalogue import catalogue

PREFIX: Final = "ui."
# Refusals that the page foretells, in the words in which they would come.
FORETOLD: Final = (
    "error.budget-exceeded",
    "error.quota-exceeded",
    "error.service-paused",
    "error.too-many-jobs",
    "field.integer",
    "field.multiple",
    "field.range",
)


def _texts(language: str) -> dict[str, str]:
    return {key.removeprefix(PREFIX): text for key, text in catalogue(language).items() if key.startswith(PREFIX)}


I18N: Final = gr.I18n(**{language: _texts(language) for language in LANGUAGES})


def label(key: str) -> I18nData:
    """The text `ui.<key>`, translated by the browser: one page serves every language."""
    return I18N(key)


def script_texts() -> str:
    """The same texts for our scripts, as JSON that may stand inside a <script> element."""
    texts = {language: _texts(language) | {key: catalogue(language)[key] for key in FORETOLD} for language in LANGUAGES}
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
