"""Short transactions: retried whole when the database asks for it, never open while anything slow happens."""

import logging
import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.domain.errors import UnavailableError
from app.store.audit import AuditEvents
from app.store.checks import Checks
from app.store.connect import READ_ONLY, is_sqlite
from app.store.drafts import Drafts
from app.store.engines import Engines
from app.store.identity import ApiTokens, LoginFailures, Sessions
from app.store.images import Images
from app.store.jobs import Jobs
from app.store.quota import QuotaDays, QuotaMonths
from app.store.service import IdempotencyKeys, Service
from app.store.users import Roles, Users
from app.store.writers import OneByOne

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

ATTEMPTS: Final = 6
# PostgreSQL: serialization failure, deadlock. MariaDB: lock wait timeout, deadlock, record changed since read.
RETRY_SQLSTATES: Final = frozenset({"40001", "40P01"})
# 1305: the savepoint is gone, with the whole transaction, because of one of them.
RETRY_ERRNOS: Final = frozenset({1020, 1205, 1213, 1305})
# MariaDB's driver calls a violated CHECK an operational error.
CHECK_FAILED: Final = 4025


class Transaction:
    """The repositories of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.roles = Roles(connection)
        self.users = Users(connection)
        self.sessions = Sessions(connection)
        self.tokens = ApiTokens(connection)
        self.failures = LoginFailures(connection)
        self.jobs = Jobs(connection)
        self.images = Images(connection)
        self.quota = QuotaDays(connection)
        self.months = QuotaMonths(connection)
        self.audit = AuditEvents(connection)
        self.idempotency = IdempotencyKeys(connection)
        self.service = Service(connection)
        self.checks = Checks(connection)
        self.drafts = Drafts(connection)
        self.engines = Engines(connection)


class Store:
    """The database. `write` and `read` run a function inside one transaction and give back its answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**{READ_ONLY: True})
        # SQLite's transactions see one moment anyway, and it does not know that level.
        level = {} if is_sqlite(engine) else {"isolation_level": "REPEATABLE READ"}
        # SQLite's writers ask again and again, in no order, and some starve: ours wait in line.
        self._turn: AbstractContextManager[object] = OneByOne() if is_sqlite(engine) else nullcontext()
        self._snapshots = self._reader.execution_options(**level)

    def write(self, work: Callable[[Transaction], Answer]) -> Answer:
        """Run `work` and commit. It may run several times: it must have no effect outside the transaction.

        Raises UnavailableError when the database cannot be reached.
        """
        with self._turn:
            return self._run(self._engine, work)

    def read(self, work: Callable[[Transaction], Answer]) -> Answer:
        """Run `work`, which only reads, without taking SQLite's write lock."""
        return self._run(self._reader, work)

    def snapshot(self, work: Callable[[Transaction], Answer]) -> Answer:
        """As `read`, and all statements see the database at one and the same moment, on every database."""
        return self._run(self._snapshots, work)

    def close(self) -> None:
        self._engine.dispose()

    @staticmethod
    def _run(engine: Engine, work: Callable[[Transaction], Answer]) -> Answer:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with engine.begin() as connection:
                    return work(Transaction(connection))
            except DBAPIError as error:
                if _worth_retrying(error) and attempt < ATTEMPTS:
                    threading.Event().wait(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter
                    continue
                if _is_away(error):
                    log.error("database unavailable: %s", type(error.orig).__name__)
                    raise UnavailableError("error.database-unavailable") from None
                raise
            except PoolTimeoutError:
                raise UnavailableError("error.database-unavailable") from None
        raise UnavailableError("error.database-unavailable")


def _is_away(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    return isinstance(error, OperationalError) and _errno(error) != CHECK_FAILED


def _worth_retrying(error: DBAPIError) -> bool:
    if getattr(error.orig, "sqlstate", None) in RETRY_SQLSTATES:
        return True
    return _errno(error) in RETRY_ERRNOS


def _errno(error: DBAPIError) -> object:
    arguments: tuple[object, ...] = getattr(error.orig, "args", ())
    return arguments[0] if arguments else None
