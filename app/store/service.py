"""The service's own state, and the keys under which clients may repeat a request."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, case, delete, insert, select, update

from app.store.rows import Repository
from app.store.tables import idempotency_keys, service_state


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """`revision` grows with every change that other processes must notice at once.

    `engine_wish` counts what administrators wanted of the engine; the last was to load `engine_model`, None: unload.
    """

    paused: bool
    draining: bool
    revision: int
    virtual_time: int
    engine_wish: int
    engine_model: str | None


class Service(Repository):
    def get(self) -> ServiceRow:
        return ServiceRow(**self._connection.execute(_STATE).one()._asdict())

    def take_turns(self) -> None:
        """Whoever else asks for this waits until the transaction has ended."""
        self._connection.execute(select(service_state.c.revision).with_for_update())

    def steer(self, *, paused: bool, draining: bool) -> None:
        """Paused: nothing starts. Draining: nothing is accepted either."""
        self._connection.execute(update(service_state).values(paused=paused, draining=draining))
        self.announce()

    def wish(self, model: str | None) -> ServiceRow:
        """From now on every server is to load this model, None: to unload; the row as it is then."""
        values = {"engine_wish": service_state.c.engine_wish + 1, "engine_model": model}
        self._connection.execute(update(service_state).values(**values))
        self.announce()
        return self.get()

    def begin_turn(self, vstart: int) -> None:
        """The turn that begins at `vstart` begins, and is counted."""
        values = {"virtual_time": _later(vstart), "served": service_state.c.served + 1}
        self._connection.execute(update(service_state).values(**values))

    def set_virtual_time(self, until: int) -> None:
        """Virtual time never goes back."""
        self._connection.execute(update(service_state).values(virtual_time=_later(until)))

    def announce(self) -> None:
        """Make every process look again."""
        self._connection.execute(update(service_state).values(revision=service_state.c.revision + 1))


# Built once: it is asked several times at every click.
_STATE: Final = select(*(service_state.c[field] for field in ServiceRow.__dataclass_fields__))


def _later(than: int) -> ColumnElement[int]:
    return case((service_state.c.virtual_time < than, than), else_=service_state.c.virtual_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyRow:
    fingerprint: str
    job_id: str
    created_at: datetime


class IdempotencyKeys(Repository):
    def get(self, user_id: int, key: str) -> IdempotencyRow | None:
        keyed = (idempotency_keys.c.user_id == user_id) & (idempotency_keys.c.key == key)
        query = select(*(idempotency_keys.c[field] for field in IdempotencyRow.__dataclass_fields__)).where(keyed)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else IdempotencyRow(**row._asdict())

    def add(self, *, user_id: int, key: str, fingerprint: str, job_id: str, at: datetime) -> None:
        values = {"user_id": user_id, "key": key, "fingerprint": fingerprint, "job_id": job_id, "created_at": at}
        self._connection.execute(insert(idempotency_keys).values(**values))

    def purge(self, made_before: datetime) -> None:
        self._connection.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at < made_before))
