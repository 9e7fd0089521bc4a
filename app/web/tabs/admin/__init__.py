"""The administrator's tab: people, queue, engine, limits, activity. Each handler asks for its own permission."""

from dataclasses import dataclass

import gradio as gr

from app.flows.studio import Studio
from app.web.tabs.admin import activity, engine, limits, people, queue
from app.web.texts import label


@dataclass(frozen=True, slots=True)
class AdminTab:
    """Only there for administrators; the handlers are the ones that refuse."""

    tab: gr.Tab


def build(studio: Studio) -> AdminTab:
    with gr.Tab(label("tab.admin"), id="admin", elem_id="tab-admin", visible=False) as tab:  # noqa: SIM117 - layout
        with gr.Tabs(elem_id="admin-tabs"):
            parts = [part.build(studio) for part in (people, queue, engine, limits, activity)]
    # Whichever part was looked at last is shown again at once: all of them must be up to date.
    for shows in parts:
        tab.select(**shows)
    return AdminTab(tab)
