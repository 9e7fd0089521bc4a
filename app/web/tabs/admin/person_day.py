"""The day of the person that was chosen: what is left of the quota, what explains it, and a form to add to it."""

from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from app.auth.policy import Permission, allows
from app.domain.people import User
from app.flows.quota_ledger import LedgerPage, day_ledger
from app.flows.studio import Studio
from app.messages.catalogue import catalogue
from app.web.components import markup, number
from app.web.handlers import Click
from app.web.render import render
from app.web.texts import label

NEWEST: Final = 20


@dataclass(frozen=True, slots=True)
class DayDesk:
    """The components of this part; it is on the page while somebody is chosen."""

    card: gr.Column
    balance: gr.HTML
    amount: gr.Number
    reason: gr.Textbox
    add: gr.Button
    entries: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        return [self.card, self.balance, self.amount, self.reason, self.entries]


def build() -> DayDesk:
    with gr.Column(visible=False, elem_id="person-day", elem_classes="side-card") as card:
        balance = markup(elem_id="day-balance")
        amount = number("field.amount", None, info=label("ledger.add-hint"), elem_id="day-amount")
        reason = gr.Textbox(
            label=label("field.reason"), info=label("ledger.reason-hint"), max_lines=1, elem_id="day-reason"
        )
        add = gr.Button(label("ledger.add"), elem_id="day-add")
        entries = markup(elem_id="day-entries")
    return DayDesk(card, balance, amount, reason, add, entries)


def day_of(studio: Studio, click: Click, person: User | None) -> list[Any]:
    """Values for `DayDesk.outputs`."""
    if person is None or not allows(click.actor, Permission.LIMITS_MANAGE):
        return [gr.update(visible=False), "", None, "", ""]
    ledger = day_ledger(studio, click.actor, person.username, LedgerPage(limit=NEWEST), click.origin)
    balance = render("studio/day.html", click.language, quota=ledger.quota)
    entries = [(entry, _why(click.language, entry.kind, entry.reason)) for entry in ledger.entries.items]
    listed = render("studio/ledger.html", click.language, entries=entries, zone=studio.zone)
    return [gr.update(visible=True), balance, None, "", listed]


def _why(language: str, kind: str, reason: str) -> str:
    """An administrator's own words, or why a job gave pictures back; the other entries say it by their kind."""
    if kind == "adjust":
        return reason
    if kind != "release":
        return ""
    texts = catalogue(language)
    return texts.get(f"ui.ledger.{reason}") or texts.get(f"job.{reason}", reason)
