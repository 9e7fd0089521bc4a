"""Engines for the tests: one real child for all of them, since it takes seconds to start."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.domain.ports import Engine, EngineState
from app.engine.local import LocalEngine
from tests.engine.fake_engine import FakeEngine
from tests.engine.waiting import wait_for


@dataclass
class Bench:
    """An engine under test, and how to kill its child as `kill -9` does."""

    engine: Engine
    kill: Callable[[], None]


@pytest.fixture(scope="session")
def local_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    engine = LocalEngine("demo", "huggingface", "cpu", tmp_path_factory.mktemp("models"))
    engine.start()
    yield engine
    engine.stop(5.0)


@pytest.fixture(params=["fake", "local"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "fake":
        fake = FakeEngine(step_delay=0.01)
        fake.start()
        return Bench(fake, fake.die)
    local: LocalEngine = request.getfixturevalue("local_engine")
    wait_for(lambda: local.status().state is EngineState.READY, 60)
    return Bench(local, lambda: os.kill(local.child_pid or 0, signal.SIGKILL))


@pytest.fixture(scope="session")
def demo() -> Path:
    return Path(__file__).parents[2] / "models" / "demo"
