"""Engines for the three databases, with the transaction rules that each needs to be safe."""

from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

SUPPORTED: Final = frozenset({"sqlite", "postgresql", "mysql", "mariadb"})
READ_ONLY: Final = "atelier_read_only"
POOL: Final[dict[str, Any]] = {
    "hide_parameters": True,
    "pool_size": 16,
    "max_overflow": 16,
    "pool_timeout": 10.0,
    "pool_pre_ping": True,
}

Database = Engine


class UnsupportedDatabaseError(ValueError):
    """The URL cannot be read, or names a database that Atelier cannot use; one in memory is gone at once."""


def sqlite_url(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()


def open_engine(database_url: str) -> Engine:
    """A pooled engine. Nothing is connected yet. Raises UnsupportedDatabaseError."""
    try:
        url = make_url(database_url)
        backend = url.get_backend_name()
    except ArgumentError as error:
        raise UnsupportedDatabaseError from error
    if backend not in SUPPORTED or (backend == "sqlite" and url.database in {None, "", ":memory:"}):
        raise UnsupportedDatabaseError
    if backend == "sqlite":
        engine = create_engine(url, connect_args={"timeout": 15.0, "check_same_thread": False}, **POOL)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    arguments: dict[str, Any] = {"connect_timeout": 5}
    if backend == "postgresql":
        arguments["options"] = "-c timezone=UTC -c lock_timeout=15000"
    else:
        arguments |= {"charset": "utf8mb4", "init_command": "SET time_zone = '+00:00', innodb_lock_wait_timeout = 15"}
    return create_engine(url, isolation_level="READ COMMITTED", connect_args=arguments, pool_recycle=1800, **POOL)


def is_sqlite(database: Database) -> bool:
    return database.dialect.name == "sqlite"


def _prepare_sqlite(connection: SqliteConnection, _record: object) -> None:
    # The driver's own BEGIN is deferred and loses updates silently; ours is written out below.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 15000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
