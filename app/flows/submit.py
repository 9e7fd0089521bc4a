"""The click: permission, reservation, a durable row in the queue, the audit trail; all or nothing."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from app.audit.events import JobSubmitted
from app.auth.policy import Permission, require
from app.domain.errors import (
    ConflictError,
    EngineUnavailableError,
    FieldError,
    InvalidRequestError,
    NotAuthenticatedError,
    NotFoundError,
    QuotaExceededError,
    RateLimitedError,
    ServicePausedError,
    TooManyJobsError,
)
from app.domain.generation import SEEDS, GenerationRequest, parse_generation, require_token_count
from app.domain.jobs import Job, JobState
from app.domain.loras import loras_text
from app.domain.people import Origin, Principal
from app.flows.loras import require_loras
from app.flows.studio import Studio
from app.flows.uploads import use_source
from app.quota.ledger import month_on
from app.quota.service import note_reservation, require_token_quota, reserve, reserve_budget
from app.scheduler.queue import turn_of_click
from app.store.transaction import Transaction

KEY_KEPT: Final = timedelta(hours=24)
MAX_KEY: Final = 128


@dataclass(frozen=True, slots=True)
class Submission:
    """The job, and whether this call made it: a repeated key finds the first one."""

    job: Job
    created: bool


def submit(
    studio: Studio, actor: Principal, body: Mapping[str, object], *, origin: Origin, key: str | None = None
) -> Submission:
    """Queue a job for the actor and reserve its pictures, once for each idempotency key.

    Raises NotPermittedError, InvalidRequestError, RateLimitedError, QuotaExceededError, TooManyJobsError,
    ConflictError, ServicePausedError, EngineUnavailableError, or NotFoundError for a picture to begin with that is not
    there or not the actor's; then nothing is changed.
    """
    studio.permit(actor, Permission.JOB_CREATE, origin)
    request = parse_generation(body, actor.limits)
    _require_key(key)
    require_loras(studio, request.loras)
    require_token_count(request, lambda text: studio.engine.count_tokens(text) or 0)
    try:
        _require_rate(studio, actor)
        submission = studio.store.write(lambda tx: _submit(studio, tx, actor, request, key, origin))
    except (NotFoundError, QuotaExceededError, RateLimitedError, TooManyJobsError) as error:
        studio.refused(actor, error, Permission.JOB_CREATE.value, origin)
        raise
    if submission.created:
        studio.queue_changed(actor.user_id)
    return submission


def forget_keys(studio: Studio) -> None:
    """Those that are no longer kept."""
    before = studio.clock.now() - KEY_KEPT
    studio.store.write(lambda tx: tx.idempotency.purge(before))


def _submit(
    studio: Studio, tx: Transaction, actor: Principal, request: GenerationRequest, key: str | None, origin: Origin
) -> Submission:
    now = studio.clock.now()
    actor = _still_allowed(tx, actor)
    if key is not None and (known := _find(tx, actor, key, request, now)) is not None:
        return Submission(known, created=False)
    if tx.service.get().draining:
        raise ServicePausedError
    if not studio.engine.status().takes_jobs:
        raise EngineUnavailableError
    if tx.jobs.waiting(actor.user_id) >= actor.limits.max_waiting:
        raise TooManyJobsError(limit=actor.limits.max_waiting)
    for field in ("image", "mask"):
        source = getattr(request, field)
        if source is not None and not use_source(studio, tx, actor, source):
            raise NotFoundError("error.no-such-source", field=field)
    day = studio.today()
    require_token_quota(tx, actor, day, request.cost, now)
    reserve(tx, actor, day, request.cost, now)
    job = _enqueue(tx, actor, request, origin, now, day.date)
    note_reservation(tx, job, now)
    reserve_budget(tx, job.department, month_on(day.date, studio.zone), request.cost, now)
    studio.record(tx, JobSubmitted(subject=job.id, cost=job.cost, work=job.work), actor, origin)
    if key is not None:
        tx.idempotency.add(user_id=actor.user_id, key=key, fingerprint=request.fingerprint(), job_id=job.id, at=now)
    return Submission(job, created=True)


def _require_rate(studio: Studio, actor: Principal) -> None:
    """So many a minute for the page and for each token, that a wild script leaves its owner room; twice in all."""
    most = actor.limits.jobs_per_minute
    studio.rates.spend("jobs-of", f"{actor.user_id}/{actor.token_id or 'page'}", most)
    studio.rates.spend("jobs-of-all", str(actor.user_id), 2 * most)


def _still_allowed(tx: Transaction, actor: Principal) -> Principal:
    """The account as it is now, locked: a role or quota changed a moment ago counts."""
    account = tx.users.get(actor.user_id, lock=True)
    if account is None or account.user.disabled_at is not None:
        raise NotAuthenticatedError
    actor = replace(actor, user=account.user, limits=account.limits)
    require(actor, Permission.JOB_CREATE)
    return actor


def _find(tx: Transaction, actor: Principal, key: str, request: GenerationRequest, now: datetime) -> Job | None:
    known = tx.idempotency.get(actor.user_id, key)
    if known is None:
        return None
    if known.created_at < now - KEY_KEPT:
        tx.idempotency.purge(now - KEY_KEPT)
        return None
    if known.fingerprint != request.fingerprint():
        raise ConflictError("error.idempotency-key-reused")
    return tx.jobs.get(known.job_id)


def _enqueue(
    tx: Transaction, actor: Principal, request: GenerationRequest, origin: Origin, now: datetime, day: date
) -> Job:
    job_id = secrets.token_hex(8)
    values = asdict(request) | {"loras": loras_text(request.loras)}
    turn = turn_of_click(tx, actor, request.pixel_steps, bulk=request.bulk)
    values["seed"] = secrets.randbelow(SEEDS) if request.seed is None else request.seed
    tx.jobs.add(
        values
        | {
            "id": job_id,
            "user_id": actor.user_id,
            "department": actor.user.department,
            "state": JobState.QUEUED.value,
            "vstart": turn.start,
            "vfinish": turn.finish,
            "cost": request.cost,
            "work": request.work,
            "day": day,
            "attempt": 0,
            "losses": 0,
            "revision": tx.users.next_revision(actor.user_id),
            "ip_address": origin.ip_address[:64],
            "token_id": actor.token_id,
            "created_at": now,
        }
    )
    job = tx.jobs.get(job_id)
    if job is None:  # pragma: no cover - just inserted in this transaction
        raise LookupError
    return job


def _require_key(key: str | None) -> None:
    if key is not None and not (1 <= len(key) <= MAX_KEY and all(" " <= character <= "~" for character in key)):
        raise InvalidRequestError([FieldError("Idempotency-Key", "field.idempotency-key", {"max": MAX_KEY})])
