"""The queue of everybody: what runs, what waits, pause and cancel."""

from typing import Any

import gradio as gr

from app.auth.policy import Permission
from app.flows import queue_control
from app.flows.cancel import cancel
from app.flows.studio import Studio
from app.web.components import markup, unseen_button
from app.web.handlers import PRIVATE, Click, shown
from app.web.render import render
from app.web.tabs.rows import CHOSEN
from app.web.texts import label


def build(studio: Studio) -> dict[str, Any]:
    """What shows it."""
    with gr.Tab(label("admin.queue"), id="queue", elem_id="admin-queue") as tab:
        view = markup(elem_id="everyones-queue")
        chosen = gr.Textbox(visible=False)
        buttons = {name: unseen_button(f"queue-{name}") for name in ("refresh", "pause", "resume", "cancel")}

    @shown(studio, Permission.QUEUE_MANAGE)
    def show_queue(click: Click) -> str:
        return _page(studio, click)

    @shown(studio, Permission.QUEUE_MANAGE)
    def pause(click: Click) -> str:
        queue_control.pause(studio, click.actor, click.origin)
        return _page(studio, click)

    @shown(studio, Permission.QUEUE_MANAGE)
    def resume(click: Click) -> str:
        queue_control.resume(studio, click.actor, click.origin)
        return _page(studio, click)

    @shown(studio, Permission.JOB_CANCEL_ANY)
    def cancel_job(click: Click, job_id: str) -> str:
        cancel(studio, click.actor, str(job_id), click.origin)
        return _page(studio, click)

    shows = {"fn": show_queue, "outputs": [view], **PRIVATE}
    tab.select(**shows)
    for name, handler in (("refresh", show_queue), ("pause", pause), ("resume", resume)):
        buttons[name].click(handler, outputs=[view], **PRIVATE)
    buttons["cancel"].click(cancel_job, inputs=[chosen], outputs=[view], js=CHOSEN, **PRIVATE)
    return shows


def _page(studio: Studio, click: Click) -> str:
    view: Any = queue_control.view_queue(studio, click.actor, click.origin)
    return render("studio/queue.html", click.language, view=view, zone=studio.zone)
