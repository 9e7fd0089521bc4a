"""The engine: which model is loaded or on its way, which are on this machine, load another, unload."""

from typing import Any, Final

import gradio as gr

from app.auth.policy import Permission
from app.domain.ports import EngineState, EngineStatus
from app.flows import engine_control
from app.flows.studio import Studio
from app.flows.views import reason_json, shown_model
from app.web.components import markup, unseen_button
from app.web.handlers import PRIVATE, Click, shown
from app.web.render import render
from app.web.tabs.rows import CHOSEN, row_buttons
from app.web.texts import label

GB: Final = 1e9
DOTS: Final = {EngineState.READY: "on", EngineState.FAILED: "off", EngineState.STOPPED: "off"}


def build(studio: Studio) -> dict[str, Any]:
    """What shows it."""
    with gr.Tab(label("admin.engine"), id="engine", elem_id="admin-engine") as tab, gr.Row(elem_classes="desk"):
        with gr.Column(scale=1, min_width=320):
            view = markup(elem_id="engine-view")
        with gr.Column(scale=0, min_width=320, elem_classes="side-card"):
            markup("model-head", elem_id="model-heading")
            named = gr.Textbox(
                label=label("field.model"), info=label("models.hub-hint"), max_lines=1, elem_id="engine-model"
            )
            load_it = gr.Button(label("models.load"), variant="primary", elem_id="engine-load-named")
        rows = row_buttons("engine", "load")
        refresh, unload_it = unseen_button("engine-refresh"), unseen_button("engine-unload")

    @shown(studio, Permission.ENGINE_MANAGE)
    def show_engine(click: Click) -> str:
        return _page(studio, click)

    @shown(studio, Permission.ENGINE_MANAGE)
    def load_model(click: Click, name: object) -> str:
        engine_control.load(studio, click.actor, {"model": name}, click.origin)
        return _page(studio, click)

    @shown(studio, Permission.ENGINE_MANAGE)
    def load_named(click: Click, name: object) -> list[str]:
        engine_control.load(studio, click.actor, {"model": name}, click.origin)
        return [_page(studio, click), ""]

    @shown(studio, Permission.ENGINE_MANAGE)
    def unload(click: Click) -> str:
        engine_control.unload(studio, click.actor, click.origin)
        return _page(studio, click)

    shows = {"fn": show_engine, "outputs": [view], **PRIVATE}
    tab.select(**shows)
    refresh.click(**shows)
    unload_it.click(unload, outputs=[view], **PRIVATE)
    rows.buttons["load"].click(load_model, inputs=[rows.chosen], outputs=[view], js=CHOSEN, **PRIVATE)
    for happens in (load_it.click, named.submit):
        happens(load_named, inputs=[named], outputs=[view, named], **PRIVATE)
    return shows


def _page(studio: Studio, click: Click) -> str:
    found = engine_control.view_engine(studio, click.actor, click.origin)
    status = found.status
    models = [(each, reason_json(each.reason, each.params, click.language)) for each in found.models]
    return render(
        "studio/engine.html",
        click.language,
        status=status,
        dot=DOTS.get(status.state, "new"),
        model=shown_model(status.model),
        coming=shown_model(status.coming),
        percent=None if status.progress is None else round(100 * status.progress),
        reason=reason_json(status.reason, status.params, click.language),
        can_unload=_can_unload(status),
        models=models,
        size=lambda octets: f"{octets / GB:.1f} GB" if octets >= GB else f"{octets / 1e6:.1f} MB",
    )


def _can_unload(status: EngineStatus) -> bool:
    return bool(status.coming) or status.state not in {EngineState.UNLOADED, EngineState.STOPPED}
