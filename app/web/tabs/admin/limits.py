"""What each role may do and what each department may make in a month, with a form for one of each."""

import html
from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from app.auth.policy import Permission
from app.domain.errors import NotFoundError
from app.domain.limits import FIELDS, shown_limit
from app.domain.people import UNLIMITED, RoleLimits
from app.flows import limits
from app.flows.studio import Studio
from app.messages import translate
from app.web.components import markup, number
from app.web.handlers import PRIVATE, TOAST_SECONDS, Click, shown
from app.web.render import render
from app.web.tabs.rows import CHOSEN, Rows, row_buttons
from app.web.texts import label

HINTS: Final = {
    "max_waiting": "limits.waiting-hint",
    "max_running": "limits.running-hint",
    "weight": "limits.weight-hint",
}


@dataclass(frozen=True, slots=True)
class _RoleDesk:
    """The table of roles, and the form for the one that was chosen."""

    table: gr.HTML
    heading: gr.HTML
    form: gr.Column
    role: gr.Textbox
    fields: dict[str, Any]
    save: gr.Button
    rows: Rows

    @property
    def outputs(self) -> list[Any]:
        return [self.table, self.heading, self.form, self.role, *self.fields.values()]


@dataclass(frozen=True, slots=True)
class _BudgetDesk:
    """The table of departments, and the form for any of them, also for one that nobody works in yet."""

    table: gr.HTML
    department: gr.Textbox
    budget: gr.Textbox
    save: gr.Button
    rows: Rows

    @property
    def outputs(self) -> list[Any]:
        return [self.table, self.department, self.budget]


def build(studio: Studio) -> dict[str, Any]:
    """What shows it."""
    with gr.Tab(label("admin.limits"), id="limits", elem_id="admin-limits") as tab:
        roles, departments = _role_desk(), _budget_desk()

    @shown(studio, Permission.LIMITS_MANAGE)
    def show_limits(click: Click) -> list[str]:
        """The tables; the forms keep what somebody may be typing already."""
        return [_roles(studio, click), _departments(studio, click)]

    _wire_roles(studio, roles)
    _wire_departments(studio, departments)
    shows: dict[str, Any] = {"fn": show_limits, "outputs": [roles.table, departments.table], **PRIVATE}
    tab.select(**shows)
    return shows


def _role_desk() -> _RoleDesk:
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=1, min_width=320):
            table = markup(elem_id="roles")
        with gr.Column(scale=0, min_width=320, elem_classes="side-card"):
            heading = markup("no-role", elem_id="role-heading")
            with gr.Column(visible=False, elem_id="role-form", elem_classes="side-form") as form:
                role = gr.Textbox(visible=False)
                fields = _limit_fields()
                save = gr.Button(label("admin.save"), variant="primary", elem_id="role-save")
        rows = row_buttons("role", "choose")
    return _RoleDesk(table, heading, form, role, fields, save, rows)


def _limit_fields() -> dict[str, Any]:
    """Those that need no explanation stand side by side."""
    fields: dict[str, Any] = {
        "quota_daily": gr.Textbox(
            label=label("field.quota-daily"), info=label("limits.quota-hint"), max_lines=1, elem_id="role-quota-daily"
        )
    }
    for pair in (("max_side", "max_steps"), ("max_count", "jobs_per_minute")):
        with gr.Row(elem_classes="pair"):
            fields |= {name: _limit_field(name) for name in pair}
    fields |= {name: _limit_field(name, info=label(hint)) for name, hint in HINTS.items()}
    return {name: fields[name] for name in FIELDS}


def _limit_field(name: str, **options: Any) -> gr.Number:  # noqa: ANN401 - Gradio's options
    written = name.replace("_", "-")
    return number(f"field.{written}", None, elem_id=f"role-{written}", **options)


def _budget_desk() -> _BudgetDesk:
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=1, min_width=320):
            table = markup(elem_id="departments")
        with gr.Column(scale=0, min_width=320, elem_classes="side-card"):
            markup("budget-head", elem_id="budget-heading")
            department = gr.Textbox(
                label=label("field.department"),
                info=label("limits.department-hint"),
                max_lines=1,
                elem_id="budget-department",
            )
            budget = gr.Textbox(
                label=label("field.budget-monthly"),
                info=label("limits.budget-hint"),
                max_lines=1,
                elem_id="budget-monthly",
            )
            save = gr.Button(label("limits.save-budget"), variant="primary", elem_id="budget-save")
        rows = row_buttons("department", "choose")
    return _BudgetDesk(table, department, budget, save, rows)


def _wire_roles(studio: Studio, desk: _RoleDesk) -> None:
    def shows(click: Click, chosen: RoleLimits) -> list[Any]:
        heading = render("studio/role.html", click.language, role=chosen.role)
        values = [shown_limit(name, getattr(chosen, name)) for name in FIELDS]
        values[0] = str(values[0])
        return [_roles(studio, click), heading, gr.update(visible=True), chosen.role.value, *values]

    @shown(studio, Permission.LIMITS_MANAGE)
    def choose_role(click: Click, name: object) -> list[Any]:
        found = {each.role.value: each for each in limits.list_roles(studio, click.actor, click.origin)}
        if name not in found:
            raise NotFoundError
        return shows(click, found[str(name)])

    @shown(studio, Permission.LIMITS_MANAGE)
    def save_role(click: Click, name: object, *values: object) -> list[Any]:
        body = dict(zip(FIELDS, values, strict=True))
        changed = limits.change_role(studio, click.actor, str(name), body, click.origin)
        _say_saved(click)
        return shows(click, changed)

    chosen = desk.rows.chosen
    desk.rows.buttons["choose"].click(choose_role, inputs=[chosen], outputs=desk.outputs, js=CHOSEN, **PRIVATE)
    desk.save.click(save_role, inputs=[desk.role, *desk.fields.values()], outputs=desk.outputs, **PRIVATE)


def _wire_departments(studio: Studio, desk: _BudgetDesk) -> None:
    @shown(studio, Permission.LIMITS_MANAGE)
    def choose_department(click: Click, name: object) -> list[Any]:
        known = limits.list_departments(studio, click.actor, click.origin)
        found = next((each for each in known if each.department == name), None)
        if found is None:
            raise NotFoundError
        return [_departments(studio, click), found.department, _written(found.budget_monthly)]

    @shown(studio, Permission.LIMITS_MANAGE)
    def save_budget(click: Click, department: object, budget: object) -> list[Any]:
        body = {"department": department, "budget_monthly": "" if budget is None else budget}
        found = limits.set_budget(studio, click.actor, body, click.origin)
        _say_saved(click)
        return [_departments(studio, click), found.department, _written(found.budget_monthly)]

    inputs, chosen = [desk.department, desk.budget], desk.rows.chosen
    desk.rows.buttons["choose"].click(choose_department, inputs=[chosen], outputs=desk.outputs, js=CHOSEN, **PRIVATE)
    desk.save.click(save_budget, inputs=inputs, outputs=desk.outputs, **PRIVATE)


def _roles(studio: Studio, click: Click) -> str:
    roles = limits.list_roles(studio, click.actor, click.origin)
    return render("studio/roles.html", click.language, roles=roles, fields=FIELDS, unlimited=UNLIMITED)


def _departments(studio: Studio, click: Click) -> str:
    found = limits.list_departments(studio, click.actor, click.origin)
    return render("studio/departments.html", click.language, departments=found)


def _written(budget: int | None) -> str:
    """As `domain.limits.parse_budget` reads it."""
    return "unlimited" if budget is None else str(budget)


def _say_saved(click: Click) -> None:
    gr.Info(html.escape(translate(click.language, "ui.limits.saved")), duration=TOAST_SECONDS)
