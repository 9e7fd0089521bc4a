"""The service's own state, and the keys under which clients may repeat a request."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from app.store.rows import Repository
from app.store.tables import idempotency_keys, service_state


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """`revision` grows with every change that other processes must notice at once."""

    paused: bool
    revision: int


class Service(Repository):
    def get(self) -> ServiceRow:
        row = self._connection.execute(select(service_state.c.paused, service_state.c.revision)).one()
        return ServiceRow(paused=row.paused, revision=row.revision)

    def take_turns(self) -> None:
        """Whoever else asks for this waits until the transaction has ended."""
        self._connection.execute(select(service_state.c.revision).with_for_update())

    def set_paused(self, *, paused: bool) -> None:
        self._connection.execute(update(service_state).values(paused=paused))
        self.announce()

    def announce(self) -> None:
        """Make every process look again."""
        self._connection.execute(update(service_state).values(revision=service_state.c.revision + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyRow:
    fingerprint: str
    job_id: str


class IdempotencyKeys(Repository):
    def get(self, user_id: int, key: str) -> IdempotencyRow | None:
        keyed = (idempotency_keys.c.user_id == user_id) & (idempotency_keys.c.key == key)
        query = select(idempotency_keys.c.fingerprint, idempotency_keys.c.job_id).where(keyed)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else IdempotencyRow(fingerprint=row.fingerprint, job_id=row.job_id)

    def add(self, *, user_id: int, key: str, fingerprint: str, job_id: str, at: datetime) -> None:
        values = {"user_id": user_id, "key": key, "fingerprint": fingerprint, "job_id": job_id, "created_at": at}
        self._connection.execute(insert(idempotency_keys).values(**values))

    def purge(self, made_before: datetime) -> None:
        self._connection.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at < made_before))
