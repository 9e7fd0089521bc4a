"""How the engine of each server is, as the server itself last wrote it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.store.rows import Repository
from app.store.tables import engines


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRow:
    """`worker` names the server's process; `status` is JSON."""

    worker: str
    status: str
    seen_at: datetime


class Engines(Repository):
    def keep(self, worker: str, status: str, at: datetime) -> None:
        """In the place of what that server wrote before."""
        values = {"status": status, "seen_at": at}
        if self.changes(update(engines).where(engines.c.worker == worker).values(**values)):
            return
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(engines).values(worker=worker, **values))
        except IntegrityError:
            return  # the same server, in another thread, a moment ago

    def seen_since(self, moment: datetime) -> tuple[EngineRow, ...]:
        columns = [engines.c[field] for field in EngineRow.__dataclass_fields__]
        query = select(*columns).where(engines.c.seen_at >= moment).order_by(engines.c.worker)
        return tuple(EngineRow(**row._asdict()) for row in self._connection.execute(query))

    def forget(self, worker: str, *, unseen_since: datetime) -> None:
        """That server, and those that have gone without a word."""
        gone = (engines.c.worker == worker) | (engines.c.seen_at < unseen_since)
        self._connection.execute(delete(engines).where(gone))
