"""What every test may use, and the peace that every test may expect: a clean environment and nothing random."""

import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import hypothesis
import pytest

from app.auth import passwords
from tests.databases import KINDS, Kind, fresh_database

IN_CI = os.environ.get("CI") == "true"
FULL = os.environ.get("ATELIER_TEST_FULL") == "1"
# Seconds that a test which counts up to a rate may take.
ROOM_IN_MINUTE = 15
# Each real hash takes 46 MiB and 50 ms, and thousands are made: these are of the same kind, and next to nothing.
REAL_HASHER = passwords.HASHER
QUICK_HASHER = REAL_HASHER.using(memory_cost=8)
# Folders whose tests take longest.
LONG = frozenset({"crash", "demo"})
# Folders where the tests of each file share a server, which no second worker need start.
SHARING = frozenset({"browser", "pitfalls", "web"})


def pytest_configure() -> None:
    for name in [name for name in os.environ if name.startswith("ATELIER_") and not name.startswith("ATELIER_TEST_")]:
        del os.environ[name]
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000"}
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    # A worker for each core: threads of their own would only wait for each other.
    os.environ["OMP_NUM_THREADS"] = "1"
    hypothesis.settings.register_profile(
        "atelier", deadline=None, derandomize=IN_CI, max_examples=1000 if FULL else 100
    )
    hypothesis.settings.load_profile("atelier")
    patch.object(passwords, "HASHER", QUICK_HASHER).start()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long matrices unless they are asked for, let one worker have what shares a server, and begin with
    what takes longest, or one worker would still be at it when the others are done."""
    for item in items:
        if item.path.parent.name in SHARING and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.name))
    items.sort(key=lambda item: item.path.parent.name not in LONG)
    if FULL:
        return
    long = [item for item in items if item.get_closest_marker("full")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not look at a million objects each time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In continuous integration a skipped test is a failed run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if IN_CI and reporter and reporter.stats.get("skipped"):
        reporter.write_line("Tests were skipped; with CI=true none may be.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> Kind:
    """The test runs once on each kind of database."""
    kind: Kind = request.param
    return kind


@pytest.fixture
def empty_database_url(database_kind: Kind, tmp_path: Path) -> Iterator[str]:
    """A database of this test alone, without any table."""
    with fresh_database(database_kind, tmp_path) as url:
        yield url


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """A database of this test alone; a folder's conftest may hand out one with tables instead."""
    return empty_database_url


@pytest.fixture
def real_hashes() -> Iterator[None]:
    """Passwords cost what they cost people."""
    with patch.object(passwords, "HASHER", REAL_HASHER):
        yield


@pytest.fixture
def whole_minute() -> None:
    """Rates are counted in minutes of the wall clock, less exactly at their edge: the test begins well inside one."""
    left = 60 - time.time() % 60
    if left < ROOM_IN_MINUTE:
        threading.Event().wait(left)


@pytest.fixture
def redis_url() -> str:
    """A Redis for the tests; without one the test is skipped, or fails where it is required."""
    url = os.environ.get("ATELIER_TEST_REDIS_URL")
    if url:
        return url
    reason = "ATELIER_TEST_REDIS_URL is not set; scripts/test finds or starts a server"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)
