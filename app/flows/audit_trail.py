"""Reading the audit trail."""

from dataclasses import dataclass

from app.auth.policy import Permission
from app.domain.errors import FieldError, InvalidRequestError
from app.domain.people import Origin, Principal
from app.flows.days import parse_day
from app.flows.jobs import require_limit
from app.flows.studio import Studio
from app.quota.ledger import Day
from app.store.audit import AuditRow
from app.store.rows import Page

__all__ = ["AuditFilter", "AuditRow", "list_events"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """`since` and `until` are days as `YYYY-MM-DD`, inclusive, in the configured time zone."""

    actor: str | None = None
    action: str | None = None
    since: str | None = None
    until: str | None = None


def list_events(
    studio: Studio, actor: Principal, wanted: AuditFilter, *, cursor: str | None, limit: int, origin: Origin
) -> Page[AuditRow]:
    """Newest first."""
    studio.permit(actor, Permission.AUDIT_READ, origin)
    require_limit(limit)
    for field, text in (("actor", wanted.actor), ("action", wanted.action)):
        if text is not None and not text.isprintable():
            raise InvalidRequestError([FieldError(field, "field.control-characters")])
    since = _day(studio, wanted.since, "from")
    until = _day(studio, wanted.until, "to")
    return studio.store.read(
        lambda tx: tx.audit.list(
            actor=wanted.actor,
            action=wanted.action,
            since=None if since is None else since.starts_at,
            until=None if until is None else until.ends_at,
            cursor=cursor,
            limit=limit,
        )
    )


def _day(studio: Studio, text: str | None, field: str) -> Day | None:
    return None if text is None else parse_day(text, studio.zone, field)
