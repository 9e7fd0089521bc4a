"""Houses for the flows: on each database, or on SQLite where the database does not matter."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.databases import Kind, fresh_database
from tests.houses import Building, make_house

Furnished = Callable[[Kind], str | None]


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    """The URL of a database of that kind with its tables and first administrator, to begin with a copy of it.

    None for a kind that cannot be copied.
    """
    with ExitStack() as stack:

        @cache
        def make(kind: Kind) -> str | None:
            if kind == "mariadb":
                return None
            folder = tmp_path_factory.mktemp("furnished")
            url = stack.enter_context(fresh_database(kind, folder))
            with make_house(url, folder):
                return url

        yield make


@pytest.fixture
def database_url(database_kind: Kind, tmp_path: Path, furnished: Furnished) -> Iterator[str]:
    with fresh_database(database_kind, tmp_path, furnished(database_kind)) as url:
        yield url


@pytest.fixture
def building(database_url: str, tmp_path: Path) -> Iterator[Building]:
    """On SQLite, PostgreSQL and MariaDB."""
    with make_house(database_url, tmp_path) as made:
        yield made


@pytest.fixture
def light(tmp_path: Path, furnished: Furnished) -> Iterator[Building]:
    """On SQLite alone."""
    with fresh_database("sqlite", tmp_path, furnished("sqlite")) as url, make_house(url, tmp_path) as made:
        yield made
