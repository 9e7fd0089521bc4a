"""The audit trail: rows are added, read, and never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, insert, select

from app.store.rows import Page, Repository, before, page
from app.store.tables import audit_events

LABEL: Final = "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """`details` is a JSON object."""

    id: int
    at: datetime
    actor: str
    action: str
    outcome: str
    subject: str
    details: str
    ip_address: str
    request_id: str


class AuditEvents(Repository):
    def add(self, values: Mapping[str, Any]) -> None:
        self._connection.execute(insert(audit_events).values(**values))

    def list(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int,
    ) -> Page[AuditRow]:
        """Newest first; `until` is exclusive."""
        query = select(*(audit_events.c[field] for field in AuditRow.__dataclass_fields__))
        for wanted, column in ((actor, audit_events.c.actor), (action, audit_events.c.action)):
            if wanted is not None:
                query = query.where(column == wanted)
        if since is not None:
            query = query.where(audit_events.c.at >= since)
        if until is not None:
            query = query.where(audit_events.c.at < until)
        if (last := before(cursor, LABEL)) is not None:
            query = query.where(audit_events.c.id < last)
        rows = self._connection.execute(query.order_by(audit_events.c.id.desc()).limit(limit + 1)).all()
        return page(rows, limit, _event, "id", LABEL)


def _event(row: Row[Any]) -> AuditRow:
    return AuditRow(**row._asdict())
