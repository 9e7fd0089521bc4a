"""`python -m app role …`, `department …`, and a person's day: what people may make."""

from typing import Annotated

import typer

from app.cli.console import Desk, group, table, verb
from app.cli.texts import text
from app.cli.users import Name, users
from app.domain.limits import FIELDS

roles = group("role")
departments = group("department")
RoleName = Annotated[str, typer.Argument(metavar="ROLE", help=text("option.role"))]
Department = Annotated[str, typer.Argument(metavar="NAME", help=text("option.department"))]


@verb(roles, "list")
def role_list(desk: Desk) -> None:
    from app.flows.limits import list_roles
    from app.flows.studio import NOWHERE
    from app.flows.views import role_json

    found = [role_json(each) for each in list_roles(desk.studio, desk.actor, NOWHERE)]
    columns = ("role", *FIELDS)
    rows = [[each[column] for column in columns] for each in found]
    desk.answer(found, *table([column.upper().replace("_", "-") for column in columns], rows))


@verb(roles, "set")
def role_set(  # noqa: PLR0913 - one argument a limit
    desk: Desk,
    role: RoleName,
    *,
    quota_daily: Annotated[str | None, typer.Option(metavar="N|unlimited", help=text("option.quota-daily"))] = None,
    max_waiting: Annotated[str | None, typer.Option(metavar="N", help=text("option.max-waiting"))] = None,
    max_running: Annotated[str | None, typer.Option(metavar="N", help=text("option.max-running"))] = None,
    max_side: Annotated[str | None, typer.Option(metavar="PIXELS", help=text("option.max-side"))] = None,
    max_steps: Annotated[str | None, typer.Option(metavar="N", help=text("option.max-steps"))] = None,
    max_count: Annotated[str | None, typer.Option(metavar="N", help=text("option.max-count"))] = None,
    jobs_per_minute: Annotated[str | None, typer.Option(metavar="N", help=text("option.jobs-per-minute"))] = None,
    weight: Annotated[str | None, typer.Option(metavar="N", help=text("option.weight"))] = None,
) -> None:
    from app.flows.limits import change_role
    from app.flows.studio import NOWHERE
    from app.flows.views import role_json

    given = (quota_daily, max_waiting, max_running, max_side, max_steps, max_count, jobs_per_minute, weight)
    body = {name: value for name, value in zip(FIELDS, given, strict=True) if value is not None}
    if not body:
        raise typer.BadParameter(text("usage.no-limit"))
    changed = change_role(desk.studio, desk.actor, role, body, NOWHERE)
    desk.answer(role_json(changed), text("said.role-changed", role=role))


@verb(departments, "list")
def department_list(desk: Desk) -> None:
    from app.flows.limits import list_departments
    from app.flows.studio import NOWHERE
    from app.flows.views import department_json

    found = [department_json(each) for each in list_departments(desk.studio, desk.actor, NOWHERE)]
    columns = ("department", "people", "budget_monthly", "used", "reserved")
    rows = [["unlimited" if each[column] is None else each[column] for column in columns] for each in found]
    desk.answer(found, *table([text(f"head.{column}") for column in columns], rows))


@verb(departments, "set")
def department_set(
    desk: Desk,
    department: Department,
    *,
    budget_monthly: Annotated[
        str, typer.Option("--budget-monthly", metavar="N|unlimited", help=text("option.budget-monthly"))
    ],
) -> None:
    from app.flows.limits import set_budget
    from app.flows.studio import NOWHERE
    from app.flows.views import department_json

    body = {"department": department, "budget_monthly": budget_monthly}
    changed = set_budget(desk.studio, desk.actor, body, NOWHERE)
    desk.answer(department_json(changed), text("said.budget-set", department=changed.department))


@verb(users, "quota")
def user_quota(
    desk: Desk,
    username: Name,
    *,
    day: Annotated[str | None, typer.Option("--day", metavar="YYYY-MM-DD", help=text("option.day"))] = None,
) -> None:
    from app.flows.quota_ledger import LedgerPage, day_ledger
    from app.flows.studio import NOWHERE
    from app.flows.views import ledger_json

    found = day_ledger(desk.studio, desk.actor, username, LedgerPage(day=day, limit=200), NOWHERE)
    quota = found.quota
    left = "unlimited" if quota.remaining is None else quota.remaining
    said = text("said.day", day=found.day.isoformat(), used=quota.used, reserved=quota.reserved, left=left)
    columns = ("created_at", "kind", "amount", "job", "index", "actor", "reason")
    rows = [
        [
            desk.local(entry.created_at),
            entry.kind,
            entry.amount,
            entry.job_id or "",
            "" if entry.picture_index < 0 else entry.picture_index,
            entry.actor,
            entry.reason,
        ]
        for entry in found.entries.items
    ]
    desk.answer(ledger_json(found), said, *table([text(f"head.{column}") for column in columns], rows))


@verb(users, "adjust-quota")
def user_adjust_quota(
    desk: Desk,
    username: Name,
    *,
    amount: Annotated[str, typer.Option("--by", metavar="N", help=text("option.amount"))],
    reason: Annotated[str, typer.Option("--reason", help=text("option.reason"))] = "",
) -> None:
    from app.flows.quota_ledger import adjust_quota
    from app.flows.studio import NOWHERE
    from app.flows.views import quota_json

    quota = adjust_quota(desk.studio, desk.actor, username, {"amount": amount, "reason": reason}, NOWHERE)
    left = "unlimited" if quota.remaining is None else quota.remaining
    desk.answer(quota_json(quota), text("said.quota-adjusted", username=username, amount=amount, left=left))
