"""Houses for the flows: on each database, or on SQLite where the database does not matter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import fresh_database
from tests.houses import Building, make_house


@pytest.fixture
def building(database_url: str, tmp_path: Path) -> Iterator[Building]:
    """On SQLite, PostgreSQL and MariaDB."""
    with make_house(database_url, tmp_path) as made:
        yield made


@pytest.fixture
def light(tmp_path: Path) -> Iterator[Building]:
    """On SQLite alone."""
    with fresh_database("sqlite", tmp_path) as url, make_house(url, tmp_path) as made:
        yield made
