"""All own pictures, newest first, page by page. Our scripts fill it from the API."""

import gradio as gr

from app.web.components import fragment
from app.web.texts import label


def build() -> gr.Tab:
    with gr.Tab(label("tab.gallery"), id="gallery", elem_id="tab-gallery") as tab:
        fragment("library")
    return tab
