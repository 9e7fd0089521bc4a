"""Which process owns the queue. Losing the lock loses no job: moves are compare-and-set all the same."""

import logging
import threading
import time
from pathlib import Path
from typing import Final, Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

ADVISORY_KEY: Final = 0x41_54_4C_52  # "ATLR"; PostgreSQL keeps advisory locks apart by database
CHECK_EVERY: Final = 1.0


class Leadership(Protocol):
    """`held` tries to take the lock and says whether this process has it."""

    def held(self) -> bool: ...

    def release(self) -> None: ...


class FileLeadership:
    """A lock beside the SQLite file: one server for one data directory."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path, thread_local=False)

    def held(self) -> bool:
        if self._lock.is_locked:
            return True
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        self._lock.release()


class DatabaseLeadership:
    """A lock that the database server holds for one connection, and drops with it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._checked = 0.0
        self._guard = threading.Lock()
        if engine.dialect.name == "postgresql":
            self._take = text(f"SELECT pg_try_advisory_lock({ADVISORY_KEY})")
        else:
            self._take = text("SELECT GET_LOCK(CONCAT('atelier/', SHA1(DATABASE())), 0)")

    def held(self) -> bool:
        with self._guard:
            try:
                return self._still_held() if self._connection is not None else self._try()
            except SQLAlchemyError as error:
                log.warning("the lock of the queue was lost: %s", type(error).__name__)
                self._drop()
                return False

    def release(self) -> None:
        with self._guard:
            self._drop()

    def _still_held(self) -> bool:
        if self._connection is not None and time.monotonic() - self._checked >= CHECK_EVERY:
            self._connection.execute(text("SELECT 1"))
            self._checked = time.monotonic()
        return True

    def _try(self) -> bool:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.scalar(self._take):
            self._connection, self._checked = connection, time.monotonic()
            return True
        connection.close()
        return False

    def _drop(self) -> None:
        if self._connection is not None:
            # Not back into the pool: the lock lives as long as the connection.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
