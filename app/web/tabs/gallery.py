"""All own pictures, newest first, page by page. Our scripts fill it from the API."""

import gradio as gr

from app.web.components import fragment
from app.web.texts import label


def build() -> gr.Tab:
    tab = gr.Tab(label("tab.gallery"), id="gallery", elem_id="tab-gallery", visible=False)
    with tab:
        fragment("library")
    return tab
