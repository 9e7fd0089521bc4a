"""The newest entries of the audit trail."""

import json
from typing import Any, Final

import gradio as gr

from app.auth.policy import Permission
from app.flows.audit_trail import AuditFilter, AuditRow, list_events
from app.flows.studio import Studio
from app.web.components import markup
from app.web.handlers import PRIVATE, Click, shown
from app.web.render import render
from app.web.texts import label

SHOWN: Final = 100


def build(studio: Studio) -> dict[str, Any]:
    """What shows it."""
    with gr.Tab(label("admin.activity"), id="activity", elem_id="admin-activity") as tab:
        with gr.Row(elem_classes="filters"):
            actor = gr.Textbox(label=label("audit.actor"), max_lines=1, elem_id="audit-actor", scale=0)
            action = gr.Textbox(
                label=label("audit.action"), placeholder="job:submit", max_lines=1, elem_id="audit-action", scale=0
            )
            look = gr.Button(label("audit.show"), elem_id="audit-show", scale=0)
        table = markup(elem_id="audit")

    @shown(studio, Permission.AUDIT_READ)
    def show_events(click: Click, actor: object, action: object) -> str:
        wanted = AuditFilter(actor=_filter(actor), action=_filter(action))
        page = list_events(studio, click.actor, wanted, cursor=None, limit=SHOWN, origin=click.origin)
        rows = [(row, _details(row)) for row in page.items]
        return render("studio/audit.html", click.language, rows=rows, zone=studio.zone, more=page.next_cursor)

    shows: dict[str, Any] = {"fn": show_events, "inputs": [actor, action], "outputs": [table], **PRIVATE}
    tab.select(**shows)
    look.click(**shows)
    for field in (actor, action):
        field.submit(**shows)
    return shows


def _filter(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _details(row: AuditRow) -> str:
    """`name: value, …`; what changed in an account stands beside the rest, not in braces."""
    details: dict[str, Any] = json.loads(row.details)
    details |= details.pop("changes", None) or {}
    return ", ".join(f"{name}: {value}" for name, value in details.items() if value not in ("", None))
