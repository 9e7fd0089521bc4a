"""Reserve, charge, release, adjust: each is written to the ledger once, whoever tries again."""

from datetime import datetime
from typing import Final

from app.domain.errors import QuotaExceededError
from app.domain.jobs import Job
from app.domain.people import UNLIMITED, Principal, daily_allowance
from app.quota.ledger import Balance, Day, Month, allowance_of_day, first_of_month
from app.store.quota import Entry
from app.store.transaction import Transaction

MACHINE: Final = "system"
FROM_CACHE: Final = "from-cache"


def balance(tx: Transaction, actor: Principal, day: Day) -> Balance:
    row = tx.quota.day(actor.user_id, day.date)
    allowance = allowance_of_day(_base(actor), row.adjusted)
    return Balance(allowance=allowance, used=row.used, reserved=row.reserved, resets_at=day.ends_at)


def budget(tx: Transaction, department: str, month: Month) -> Balance | None:
    """What the department has left of its month; None where it has no budget."""
    allowance = tx.months.budget(department)
    if allowance is None:
        return None
    row = tx.months.month(department, month.date)
    return Balance(allowance=allowance, used=row.used, reserved=row.reserved, resets_at=month.ends_at)


def reserve(tx: Transaction, actor: Principal, day: Day, amount: int, now: datetime) -> None:
    """Reserve `amount` pictures of the day, or raise QuotaExceededError. The user's row must be locked."""
    if tx.quota.reserve(actor.user_id, day.date, amount, _base(actor)):
        return
    # The first click of a day finds no row.
    tx.quota.open_day(actor.user_id, day.date, day.starts_at, day.ends_at)
    if not tx.quota.reserve(actor.user_id, day.date, amount, _base(actor)):
        left = balance(tx, actor, day).remaining or 0
        raise QuotaExceededError(needed=amount, remaining=left, retry_after=day.seconds_left(now))


def reserve_budget(tx: Transaction, department: str, month: Month, amount: int, now: datetime) -> None:
    """The same of the department's month, after the person's day. People without a department have no budget."""
    if not department:
        return
    allowance = tx.months.budget(department)
    tx.months.open_month(department, month.date)
    if not tx.months.reserve(department, month.date, amount, UNLIMITED if allowance is None else allowance):
        found = budget(tx, department, month)
        left = (found.remaining if found else None) or 0
        wait = month.seconds_left(now)
        raise QuotaExceededError("error.budget-exceeded", needed=amount, remaining=left, retry_after=wait)


def require_token_quota(tx: Transaction, actor: Principal, day: Day, amount: int, now: datetime) -> None:
    """Raise QuotaExceededError when the token has no right to so many more. The user's row must be locked."""
    if actor.token_id is None or actor.token_quota is None:
        return
    left = max(0, actor.token_quota - tx.jobs.of_token(actor.token_id, day.date))
    if amount > left:
        raise QuotaExceededError(needed=amount, remaining=left, retry_after=day.seconds_left(now))


def note_reservation(tx: Transaction, job: Job, now: datetime) -> None:
    """Of a job that was made in this transaction."""
    entry = Entry(kind="reserve", amount=job.cost, actor=job.username, reason="submitted")
    tx.quota.write(user_id=job.user_id, day=job.day, job_id=job.id, entry=entry, at=now)


def charge_picture(tx: Transaction, job: Job, index: int, now: datetime, *, cached: bool = False) -> None:
    """Turn one reservation into use, on the day of the click."""
    reason = FROM_CACHE if cached else "picture"
    entry = Entry(picture_index=index, kind="commit", amount=1, actor=MACHINE, reason=reason)
    if _enter(tx, job, now, entry):
        _move(tx, job, used=1, reserved=-1)


def release_picture(tx: Transaction, job: Job, index: int, now: datetime) -> None:
    """Give back what a picture that costs nothing had reserved."""
    entry = Entry(picture_index=index, kind="release", amount=1, actor=MACHINE, reason=FROM_CACHE)
    if _enter(tx, job, now, entry):
        _move(tx, job, used=0, reserved=-1)


def may_be_free(tx: Transaction, job: Job, base: int) -> bool:
    """As many a day as the person may have made, whose daily allowance is `base`: what costs nothing fills the disk
    like everything else."""
    allowance = allowance_of_day(base, tx.quota.day(job.user_id, job.day).adjusted)
    return allowance < 0 or tx.quota.released(job.user_id, job.day, FROM_CACHE) < allowance


def release_rest(tx: Transaction, job: Job, reason: str, now: datetime, actor: str) -> None:
    """Give back what the ended job still holds."""
    held = tx.quota.held(job.id)
    if held > 0 and _enter(tx, job, now, Entry(kind="release", amount=held, actor=actor, reason=reason)):
        _move(tx, job, used=0, reserved=-held)


def adjust(tx: Transaction, user_id: int, day: Day, entry: Entry, now: datetime) -> None:
    """Add to the day's allowance, or take from it. The user's row must be locked."""
    tx.quota.open_day(user_id, day.date, day.starts_at, day.ends_at)
    tx.quota.adjust(user_id, day.date, entry.amount)
    tx.quota.write(user_id=user_id, day=day.date, job_id=None, entry=entry, at=now)


def _base(actor: Principal) -> int:
    return daily_allowance(actor.user.quota_daily, actor.limits.quota_daily)


def _move(tx: Transaction, job: Job, *, used: int, reserved: int) -> None:
    """On the day and the month of the click."""
    tx.quota.move(job.user_id, job.day, used=used, reserved=reserved)
    if job.department:
        month = first_of_month(job.day)
        tx.months.open_month(job.department, month)
        tx.months.move(job.department, month, used=used, reserved=reserved)


def _enter(tx: Transaction, job: Job, now: datetime, entry: Entry) -> bool:
    return tx.quota.enter(user_id=job.user_id, day=job.day, job_id=job.id, entry=entry, at=now)
