"""Accounts: the table, and beside it the form for a new person or for the one that was chosen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from app.auth.policy import Permission
from app.domain.people import Role, User, quota_text
from app.flows.people_today import people_today
from app.flows.quota_ledger import adjust_quota
from app.flows.sessions import end_sessions_of
from app.flows.studio import Studio
from app.flows.users import NewPassword, change_user, create_user, list_users, reset_password
from app.messages import translate
from app.web.components import markup
from app.web.handlers import PRIVATE, Click, shown
from app.web.render import render
from app.web.tabs.admin import person_day
from app.web.tabs.rows import CHOSEN, Rows, row_buttons, tell_how_many
from app.web.texts import label

ROW_ACTIONS: Final = ("choose", "reset", "end-sessions", "disable", "enable")
FIELDS: Final = ("username", "display_name", "department", "role", "quota_daily")
# Gradio hands over `None` for what no field of a request can be.
NEW: Final[dict[str, Any]] = {
    "username": "",
    "display_name": "",
    "department": "",
    "role": Role.MEMBER.value,
    "quota_daily": "default",
}


@dataclass(frozen=True, slots=True)
class _Desk:
    """The components of this part, by what they are for."""

    table: gr.HTML
    heading: gr.HTML
    fields: dict[str, Any]
    create: gr.Button
    save: gr.Button
    again: gr.Button
    secret: gr.HTML
    day: person_day.DayDesk

    @property
    def outputs(self) -> list[Any]:
        return [self.table, *self.form, self.secret, *self.day.outputs]

    @property
    def form(self) -> list[Any]:
        return [self.heading, *self.fields.values(), self.create, self.save, self.again]


def build(studio: Studio) -> dict[str, Any]:
    """What shows it."""
    with gr.Tab(label("admin.people"), id="people", elem_id="admin-people"), gr.Row(elem_classes="desk"):
        with gr.Column(scale=1, min_width=320):
            table = markup(elem_id="people")
        with gr.Column(scale=0, min_width=320, elem_classes="side-stack"):
            desk = _beside(table)
        rows = row_buttons("person", *ROW_ACTIONS)
    shows = _Shows(studio)
    _wire(studio, desk, shows, rows)
    return {"fn": shows.opened, "outputs": [desk.table, desk.fields["role"]], **PRIVATE}


def _beside(table: gr.HTML) -> _Desk:
    with gr.Column(elem_classes="side-card"):
        heading = markup("newcomer", elem_id="person-heading")
        secret = markup(elem_id="person-secret")
        fields = _fields()
        with gr.Row(elem_classes="form-actions"):
            create = gr.Button(label("admin.create"), variant="primary", elem_id="person-create")
            save = gr.Button(label("admin.save"), variant="primary", elem_id="person-save", visible=False)
            again = gr.Button(label("admin.new"), elem_id="person-new", visible=False)
    return _Desk(table, heading, fields, create, save, again, secret, person_day.build())


def _fields() -> dict[str, Any]:
    roles = [(role.value, role.value) for role in Role]
    return {
        "username": gr.Textbox(label=label("field.username"), max_lines=1, elem_id="person-username"),
        "display_name": gr.Textbox(label=label("field.display-name"), max_lines=1, elem_id="person-name"),
        "department": gr.Textbox(label=label("field.department"), max_lines=1, elem_id="person-department"),
        "role": gr.Radio(roles, value=Role.MEMBER.value, label=label("field.role"), elem_id="person-role"),
        "quota_daily": gr.Textbox(
            value="default",
            label=label("field.quota-daily"),
            info=label("admin.quota-hint"),
            max_lines=1,
            elem_id="person-quota",
        ),
    }


class _Shows:
    """What the handlers answer: table, form, a password to hand over and the day, as values for `_Desk.outputs`."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self.everything = shown(studio, Permission.USER_MANAGE)(self.after)
        self.opened = shown(studio, Permission.USER_MANAGE)(self.show_people)

    def show_people(self, click: Click) -> list[Any]:
        """The table and the names of the roles; the form keeps what somebody may be typing already."""
        return [self.table(click), gr.update(choices=_roles(click.language))]

    def after(self, click: Click, person: User | None = None, secret: NewPassword | None = None) -> list[Any]:
        day = person_day.day_of(self._studio, click, person)
        return [self.table(click), *self.form(click, person), self.secret(click, secret), *day]

    def table(self, click: Click) -> str:
        people = people_today(self._studio, click.actor, click.origin)
        return render("studio/people.html", click.language, people=people, me=click.actor.user.username)

    def form(self, click: Click, person: User | None) -> list[Any]:
        values = NEW if person is None else {field: getattr(person, field) for field in FIELDS}
        if person is not None:
            values["role"], values["quota_daily"] = person.role.value, str(quota_text(person.quota_daily))
        updates: list[Any] = [gr.update(value=values[field]) for field in FIELDS]
        updates[0] = gr.update(value=values["username"], visible=person is None)
        updates[FIELDS.index("role")] = gr.update(value=values["role"], choices=_roles(click.language))
        heading = render("studio/person.html", click.language, person=person)
        there, new = gr.update(visible=person is not None), gr.update(visible=person is None)
        return [heading, *updates, new, there, there]

    @staticmethod
    def secret(click: Click, made: NewPassword | None) -> str:
        return render("studio/secret.html", click.language, made=made) if made else ""


def _roles(language: str) -> list[tuple[str, str]]:
    return [(translate(language, f"ui.role.{role}"), role.value) for role in Role]


def _wire(studio: Studio, desk: _Desk, shows: _Shows, rows: Rows) -> None:
    @shown(studio, Permission.USER_MANAGE)
    def create(click: Click, *values: object) -> list[Any]:
        body = dict(zip(FIELDS, values, strict=True))
        return shows.after(click, None, create_user(studio, click.actor, body, click.origin))

    @shown(studio, Permission.USER_MANAGE)
    def save(click: Click, username: str, *values: object) -> list[Any]:
        body = dict(zip(FIELDS[1:], values, strict=True))
        return shows.after(click, change_user(studio, click.actor, str(username), body, click.origin))

    @shown(studio, Permission.LIMITS_MANAGE)
    def add_pictures(click: Click, username: str, amount: object, reason: object) -> list[Any]:
        body = {"amount": amount, "reason": reason}
        adjust_quota(studio, click.actor, str(username), body, click.origin)
        people = list_users(studio, click.actor, click.origin)
        person = next((each for each in people if each.username == username), None)
        return [shows.table(click), *person_day.day_of(studio, click, person)]

    inputs = list(desk.fields.values())
    desk.create.click(create, inputs=inputs, outputs=desk.outputs, **PRIVATE)
    desk.save.click(save, inputs=inputs, outputs=desk.outputs, **PRIVATE)
    desk.again.click(shows.everything, outputs=desk.outputs, **PRIVATE)
    day = desk.day
    given = [desk.fields["username"], day.amount, day.reason]
    day.add.click(add_pictures, inputs=given, outputs=[desk.table, *day.outputs], **PRIVATE)
    for name, work in _on_rows(studio, shows).items():
        handler = shown(studio, Permission.USER_MANAGE)(work)
        rows.buttons[name].click(handler, inputs=[rows.chosen], outputs=desk.outputs, js=CHOSEN, **PRIVATE)


def _on_rows(studio: Studio, shows: _Shows) -> dict[str, Callable[..., list[Any]]]:
    """What the buttons of a row do; the script names the row."""

    def choose(click: Click, username: str) -> list[Any]:
        people = list_users(studio, click.actor, click.origin)
        return shows.after(click, next((each for each in people if each.username == username), None))

    def end_sessions(click: Click, username: str) -> list[Any]:
        ended = end_sessions_of(studio, click.actor, str(username), click.origin)
        tell_how_many(click.language, "admin.ended", ended, name=str(username))
        return choose(click, username)

    def reset(click: Click, username: str) -> list[Any]:
        made = reset_password(studio, click.actor, str(username), None, click.origin)
        return shows.after(click, made.user, made)

    def disable(click: Click, username: str) -> list[Any]:
        return shows.after(click, change_user(studio, click.actor, str(username), {"disabled": True}, click.origin))

    def enable(click: Click, username: str) -> list[Any]:
        return shows.after(click, change_user(studio, click.actor, str(username), {"disabled": False}, click.origin))

    return {"choose": choose, "reset": reset, "end-sessions": end_sessions, "disable": disable, "enable": enable}
