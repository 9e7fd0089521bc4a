"""What administrators allow: the limits of each role, and the month's budget of a department."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

from app.audit.events import BudgetChanged, RoleChanged
from app.auth.policy import Permission
from app.domain.errors import FieldError, InvalidRequestError, printable
from app.domain.limits import parse_budget, parse_department, parse_limits, parse_role_name, shown_limit
from app.domain.people import Origin, Principal, Role, RoleLimits
from app.flows.studio import Studio
from app.scheduler.queue import set_turns_anew
from app.store.quota import MonthRow
from app.store.transaction import Transaction

BUDGET_FIELDS: Final = frozenset({"department", "budget_monthly"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentMonth:
    """A department, how many work in it, and its present month; `budget_monthly` None: unlimited."""

    department: str
    people: int
    budget_monthly: int | None
    used: int
    reserved: int


def list_roles(studio: Studio, actor: Principal, origin: Origin) -> tuple[RoleLimits, ...]:
    studio.permit(actor, Permission.LIMITS_MANAGE, origin)
    found = {limits.role: limits for limits in studio.store.read(lambda tx: tx.roles.all())}
    return tuple(found[role] for role in Role)


def change_role(studio: Studio, actor: Principal, name: str, body: Mapping[str, object], origin: Origin) -> RoleLimits:
    """Change the given limits; they hold from the next click on, and with another weight the queue is ordered anew.

    Raises NotFoundError or InvalidRequestError.
    """
    studio.permit(actor, Permission.LIMITS_MANAGE, origin, name[:64])
    role, values = parse_role_name(name), parse_limits(body)

    def work(tx: Transaction) -> tuple[RoleLimits, RoleLimits]:
        before = tx.roles.get(role, lock=True)
        if values:
            tx.roles.change(role, values)
        after = tx.roles.get(role)
        told = {
            field: f"{shown_limit(field, getattr(before, field))} -> {shown_limit(field, value)}"
            for field, value in values.items()
            if getattr(before, field) != value
        }
        if told:
            studio.record(tx, RoleChanged(subject=role.value, changes=told), actor, origin)
        return before, after

    before, after = studio.store.write(work)
    if before.weight != after.weight:
        _order_anew(studio, role)
    studio.progress.note()
    return after


def list_departments(studio: Studio, actor: Principal, origin: Origin) -> tuple[DepartmentMonth, ...]:
    """Every department that has people, a budget or pictures of this month, by name."""
    studio.permit(actor, Permission.LIMITS_MANAGE, origin)
    month = studio.this_month().date
    return studio.store.read(lambda tx: _departments(tx, month))


def set_budget(studio: Studio, actor: Principal, body: Mapping[str, object], origin: Origin) -> DepartmentMonth:
    """Give a department `budget_monthly` pictures a month, on top of each person's day.

    A budget below what is used and reserved blocks new clicks and cancels nothing. Raises InvalidRequestError.
    """
    studio.permit(actor, Permission.LIMITS_MANAGE, origin)
    if unknown := sorted(set(body) - BUDGET_FIELDS):
        raise InvalidRequestError([FieldError(printable(name), "field.unknown") for name in unknown])
    if "budget_monthly" not in body:
        raise InvalidRequestError([FieldError("budget_monthly", "field.required")])
    department, budget = parse_department(body.get("department")), parse_budget(body["budget_monthly"])
    month = studio.this_month().date

    def work(tx: Transaction) -> DepartmentMonth:
        before = tx.months.budget(department)
        tx.months.set_budget(department, budget)
        if before != budget:
            told = {"budget_monthly": f"{_shown(before)} -> {_shown(budget)}"}
            studio.record(tx, BudgetChanged(subject=department, changes=told), actor, origin)
        return next(each for each in _departments(tx, month) if each.department == department)

    found = studio.store.write(work)
    studio.progress.note()
    return found


def _departments(tx: Transaction, month: date) -> tuple[DepartmentMonth, ...]:
    people, budgets, months = tx.users.by_department(), tx.months.budgets(), tx.months.months(month)
    found = []
    for name in sorted((people.keys() | budgets.keys() | months.keys()) - {""}):
        row = months.get(name, MonthRow())
        found.append(
            DepartmentMonth(
                department=name,
                people=people.get(name, 0),
                budget_monthly=budgets.get(name),
                used=row.used,
                reserved=row.reserved,
            )
        )
    return tuple(found)


def _order_anew(studio: Studio, role: Role) -> None:
    """Person by person, each in a short transaction: nobody's click waits for all of them."""
    owners = studio.store.read(lambda tx: tx.jobs.owners_waiting(role))

    def work(tx: Transaction, user_id: int) -> None:
        account = tx.users.get(user_id, lock=True)
        if account is not None:
            set_turns_anew(tx, user_id, account.limits.weight)

    for user_id in owners:
        studio.store.write(partial(work, user_id=user_id))
    studio.queue_changed(*owners)


def _shown(budget: int | None) -> str:
    return "unlimited" if budget is None else str(budget)
