"""One person's day as the ledger tells it, and what an administrator adds to it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from app.audit.events import QuotaAdjusted
from app.auth.policy import Permission
from app.domain.errors import FieldError, InvalidRequestError, printable
from app.domain.limits import parse_amount, parse_reason
from app.domain.people import MAX_QUOTA, Origin, Principal
from app.flows.days import parse_day
from app.flows.jobs import require_limit
from app.flows.studio import Studio
from app.flows.users import existing
from app.quota.ledger import Balance
from app.quota.service import adjust, balance
from app.store.quota import Entry, EntryRow
from app.store.rows import Page
from app.store.transaction import Transaction

ADJUST_FIELDS: Final = frozenset({"amount", "reason"})


@dataclass(frozen=True, slots=True)
class DayLedger:
    """What that day's quota is, and every entry that explains it, newest first."""

    day: date
    quota: Balance
    entries: Page[EntryRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPage:
    """Which part of which day: `day` as YYYY-MM-DD, None for today."""

    day: str | None = None
    cursor: str | None = None
    limit: int


def day_ledger(studio: Studio, actor: Principal, username: str, page: LedgerPage, origin: Origin) -> DayLedger:
    """Raises NotFoundError or InvalidRequestError."""
    studio.permit(actor, Permission.LIMITS_MANAGE, origin, username[:64])
    require_limit(page.limit)
    wanted = studio.today() if page.day is None else parse_day(page.day, studio.zone, "day")

    def work(tx: Transaction) -> DayLedger:
        person = _person(tx, actor, username)
        entries = tx.quota.entries(person.user_id, wanted.date, page.cursor, page.limit)
        return DayLedger(wanted.date, balance(tx, person, wanted), entries)

    return studio.store.read(work)


def adjust_quota(
    studio: Studio, actor: Principal, username: str, body: Mapping[str, object], origin: Origin
) -> Balance:
    """Add `amount` pictures to the person's quota of today, or with a minus take them away; what is left of it.

    Raises NotFoundError or InvalidRequestError.
    """
    studio.permit(actor, Permission.LIMITS_MANAGE, origin, username[:64])
    if unknown := sorted(set(body) - ADJUST_FIELDS):
        raise InvalidRequestError([FieldError(printable(name), "field.unknown") for name in unknown])
    amount, reason = parse_amount(body.get("amount")), parse_reason(body.get("reason"))

    def work(tx: Transaction) -> tuple[int, Balance]:
        person, day = _person(tx, actor, username, lock=True), studio.today()
        if abs(tx.quota.day(person.user_id, day.date).adjusted + amount) > MAX_QUOTA:
            raise InvalidRequestError([FieldError("amount", "field.amount", {"max": MAX_QUOTA})])
        entry = Entry(kind="adjust", amount=amount, actor=actor.user.username, reason=reason)
        adjust(tx, person.user_id, day, entry, studio.clock.now())
        event = QuotaAdjusted(subject=username, amount=amount, day=day.date.isoformat(), reason=reason)
        studio.record(tx, event, actor, origin)
        return person.user_id, balance(tx, person, day)

    user_id, left = studio.store.write(work)
    studio.progress.note(user_id)
    return left


def _person(tx: Transaction, actor: Principal, username: str, *, lock: bool = False) -> Principal:
    """Whose quota it is, as somebody who could spend it."""
    account = existing(tx, username, lock=lock)
    return replace(actor, user=account.user, limits=account.limits)
