"""The queue of everybody: what runs, what waits and how long, pause, drain and cancel."""

from typing import Any, Final

import gradio as gr

from app.auth.policy import Permission
from app.domain.jobs import JobState
from app.flows import queue_control
from app.flows.cancel import cancel
from app.flows.queue_control import QueueView
from app.flows.studio import Studio
from app.web.components import markup, unseen_button
from app.web.handlers import PRIVATE, Click, shown
from app.web.render import render
from app.web.tabs.rows import CHOSEN
from app.web.texts import label
from app.web.waiting_time import about

ACTIONS: Final = ("refresh", "pause", "drain", "resume", "cancel")


def build(studio: Studio) -> dict[str, Any]:
    """What shows it."""
    with gr.Tab(label("admin.queue"), id="queue", elem_id="admin-queue") as tab:
        view = markup(elem_id="everyones-queue")
        chosen = gr.Textbox(visible=False)
        buttons = {name: unseen_button(f"queue-{name}") for name in ACTIONS}

    @shown(studio, Permission.QUEUE_MANAGE)
    def show_queue(click: Click) -> str:
        return _page(studio, click)

    @shown(studio, Permission.QUEUE_MANAGE)
    def pause(click: Click) -> str:
        queue_control.pause(studio, click.actor, click.origin)
        return _page(studio, click)

    @shown(studio, Permission.QUEUE_MANAGE)
    def drain(click: Click) -> str:
        queue_control.drain(studio, click.actor, click.origin)
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
    for name, handler in (("refresh", show_queue), ("pause", pause), ("drain", drain), ("resume", resume)):
        buttons[name].click(handler, outputs=[view], **PRIVATE)
    buttons["cancel"].click(cancel_job, inputs=[chosen], outputs=[view], js=CHOSEN, **PRIVATE)
    return shows


def _page(studio: Studio, click: Click) -> str:
    view = queue_control.view_queue(studio, click.actor, click.origin)
    running = sum(each.job.state is JobState.RUNNING for each in view.jobs)
    state = _state(view, running)
    return render(
        "studio/queue.html", click.language, view=view, state=state, running=running, zone=studio.zone, about=about
    )


def _state(view: QueueView, running: int) -> str:
    """The sentence in the catalogue under `ui.queue`."""
    if view.draining:
        return {0: "drained", 1: "draining-one"}.get(running, "draining")
    return "paused" if view.paused else "open"
