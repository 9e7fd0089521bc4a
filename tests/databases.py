"""A database of its own for each test, on SQLite, PostgreSQL and MariaDB."""

import itertools
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final, Literal

import pytest
from sqlalchemy import URL, Engine, NullPool, create_engine, make_url, text

Kind = Literal["sqlite", "postgresql", "mariadb"]

KINDS: Final[tuple[Kind, ...]] = ("sqlite", "postgresql", "mariadb")
VARIABLES: Final = {"postgresql": "ATELIER_TEST_POSTGRES_URL", "mariadb": "ATELIER_TEST_MARIADB_URL"}
# Differs between the processes of one run and between runs on one server.
PREFIX: Final = f"atelier_test_{secrets.token_hex(4)}"
numbers = itertools.count(1)


@contextmanager
def fresh_database(kind: Kind, folder: Path, template: str | None = None) -> Iterator[str]:
    """The URL of an empty database that is dropped at the end.

    `template` is the URL of a database of the same kind whose content the new one begins with; nobody may be
    connected to it. MariaDB cannot copy a database and takes none.
    """
    name = f"{PREFIX}_{next(numbers)}"
    if kind == "sqlite":
        yield sqlite(folder / f"{name}.db", template)
        return
    create(kind, name, template)
    try:
        yield url_of(kind, name)
    finally:
        drop(kind, name)


def create(kind: Kind, name: str, template: str | None) -> None:
    if kind == "postgresql":
        source = make_url(template).database if template else "template0"
        run(kind, f"CREATE DATABASE {name} TEMPLATE {source}")
    else:
        assert template is None, "MariaDB cannot copy a database"
        # Not our collation: whoever needs another one than the server's default must say so in the schema.
        run(kind, f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")


def drop(kind: Kind, name: str) -> None:
    if kind == "postgresql":
        run(kind, f"DROP DATABASE {name} WITH (FORCE)")
    else:
        # A transaction that a test left open fails the test instead of hanging it.
        run(kind, "SET lock_wait_timeout = 10", f"DROP DATABASE {name}")


def sqlite(file: Path, template: str | None) -> str:
    if template:
        file.write_bytes(Path(make_url(template).database or "").read_bytes())
    return f"sqlite:///{file}"


def server_url(kind: Kind) -> URL:
    """The server to make databases on; without one the test is skipped, or fails where all of them are required."""
    named = os.environ.get(VARIABLES[kind])
    if named:
        return make_url(named)
    reason = f"{VARIABLES[kind]} is not set; scripts/test finds or starts a server"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def url_of(kind: Kind, name: str) -> str:
    return server_url(kind).set(database=name).render_as_string(hide_password=False)


@cache
def server(url: URL) -> Engine:
    return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)


def run(kind: Kind, *statements: str) -> None:
    with server(server_url(kind)).connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
