"""A fresh database of each kind that can be had, dropped at the end."""

import argparse
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import NullPool, create_engine, make_url, text

VARIABLES: Final = {"postgresql": "ATELIER_TEST_POSTGRES_URL", "mariadb": "ATELIER_TEST_MARIADB_URL"}
KINDS: Final = ("sqlite", *VARIABLES)


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--databases",
        type=_kinds,
        default=available(),
        help=f"of {', '.join(KINDS)}, with commas between; default: SQLite and each server that a variable names "
        f"({', '.join(VARIABLES.values())})",
    )


def available() -> tuple[str, ...]:
    return ("sqlite", *(kind for kind, variable in VARIABLES.items() if os.environ.get(variable)))


@contextmanager
def fresh_database(kind: str) -> Iterator[str]:
    """The URL of an empty database."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
            yield f"sqlite:///{Path(folder) / 'atelier.db'}"
        return
    server, name = make_url(os.environ[VARIABLES[kind]]), f"atelier_bench_{secrets.token_hex(4)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}{' WITH (FORCE)' if kind == 'postgresql' else ''}"))


def _kinds(words: str) -> tuple[str, ...]:
    kinds = tuple(words.split(","))
    if unknown := [kind for kind in kinds if kind not in available()]:
        raise argparse.ArgumentTypeError(f"cannot be had here: {', '.join(unknown)}")
    return kinds
