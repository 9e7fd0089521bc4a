"""Reserve, charge, release: each is written to the ledger once, whoever tries again."""

from datetime import datetime

from app.domain.errors import QuotaExceededError
from app.domain.jobs import Job
from app.domain.people import Principal, daily_allowance
from app.quota.ledger import Balance, Day
from app.store.quota import WHOLE_JOB, Entry
from app.store.transaction import Transaction


def balance(tx: Transaction, actor: Principal, day: Day) -> Balance:
    allowance = daily_allowance(actor.user.quota_daily, actor.limits.quota_daily)
    row = tx.quota.day(actor.user_id, day.date)
    return Balance(allowance=allowance, used=row.used, reserved=row.reserved, resets_at=day.ends_at)


def reserve(tx: Transaction, actor: Principal, day: Day, amount: int, now: datetime) -> None:
    """Reserve `amount` pictures of the day, or raise QuotaExceededError. The user's row must be locked."""
    allowance = daily_allowance(actor.user.quota_daily, actor.limits.quota_daily)
    tx.quota.open_day(actor.user_id, day.date, day.starts_at, day.ends_at)
    if not tx.quota.reserve(actor.user_id, day.date, amount, allowance):
        left = balance(tx, actor, day).remaining or 0
        raise QuotaExceededError(needed=amount, remaining=left, retry_after=day.seconds_left(now))


def require_token_quota(tx: Transaction, actor: Principal, day: Day, amount: int, now: datetime) -> None:
    """Raise QuotaExceededError when the token has no right to so many more. The user's row must be locked."""
    if actor.token_id is None or actor.token_quota is None:
        return
    left = max(0, actor.token_quota - tx.jobs.of_token(actor.token_id, day.date))
    if amount > left:
        raise QuotaExceededError(needed=amount, remaining=left, retry_after=day.seconds_left(now))


def note_reservation(tx: Transaction, job: Job, now: datetime) -> None:
    _enter(tx, job, now, Entry(WHOLE_JOB, "reserve", job.cost, "submitted"))


def charge_picture(tx: Transaction, job: Job, index: int, now: datetime) -> None:
    """Turn one reservation into use, on the day of the click."""
    if _enter(tx, job, now, Entry(index, "commit", 1, "picture")):
        tx.quota.move(job.user_id, job.day, used=1, reserved=-1)


def release_rest(tx: Transaction, job: Job, reason: str, now: datetime) -> None:
    """Give back what the ended job still holds."""
    held = tx.quota.held(job.id)
    if held > 0 and _enter(tx, job, now, Entry(WHOLE_JOB, "release", held, reason)):
        tx.quota.move(job.user_id, job.day, used=0, reserved=-held)


def _enter(tx: Transaction, job: Job, now: datetime, entry: Entry) -> bool:
    return tx.quota.enter(user_id=job.user_id, day=job.day, job_id=job.id, entry=entry, at=now)
