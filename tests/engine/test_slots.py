"""Several children of one engine, and the way from one model to another, with real processes."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.ports import EngineEvent, EngineLostError, EngineState, PictureMade, StepDone
from app.engine.local import LocalEngine
from tests.engine.test_contract import LONG, REQUEST, pictures
from tests.engine.waiting import wait_for

READY_SECONDS = 90.0
MEDIUM = replace(LONG, steps=16)
OTHER = replace(MEDIUM, job_id="other")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine("demo", "huggingface", "cpu,cpu", tmp_path)
    engine.start()
    wait_for(lambda: [slot.state for slot in engine.status().slots] == [EngineState.READY] * 2, READY_SECONDS)
    yield engine
    engine.stop(2.0)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


def begun(pool: ThreadPoolExecutor, events: Iterator[EngineEvent]) -> Future[list[PictureMade]]:
    """The rest of a run, whose first step is done."""
    assert isinstance(next(events), StepDone)
    return pool.submit(pictures, events)


def wait_until_ready(engine: LocalEngine, model: str) -> None:
    def arrived() -> bool:
        status = engine.status()
        return (status.state, status.model, status.coming) == (EngineState.READY, model, "")

    wait_for(arrived, READY_SECONDS)


def test_two_jobs_are_made_at_once_and_a_kill_costs_one_of_them_one_attempt(
    pair: LocalEngine, pool: ThreadPoolExecutor
) -> None:
    assert pair.has_room([MEDIUM], OTHER)
    assert not pair.has_room([MEDIUM, OTHER], REQUEST)
    runs = [begun(pool, pair.run(request)) for request in (MEDIUM, OTHER)]
    assert [slot.running for slot in pair.status().slots] == [1, 1]
    assert not pair.has_room([MEDIUM, OTHER], REQUEST)
    os.kill(pair.child_pids[0], signal.SIGKILL)
    with pytest.raises(EngineLostError):
        runs[0].result(60)
    assert pair.status().state is EngineState.READY
    assert len(runs[1].result(120)) == 1
    assert len(pictures(pair.run(REQUEST))) == 1  # while the first child is on its way back, or after
    wait_for(lambda: [slot.state for slot in pair.status().slots] == [EngineState.READY] * 2, READY_SECONDS)
    memory = [(slot.memory_used or 0, slot.memory_total or 0) for slot in pair.status().slots]
    assert all(0 < used < total for used, total in memory)
    assert any(slot.seconds for slot in pair.status().slots)


@pytest.fixture
def copy(demo: Path, tmp_path: Path) -> Path:
    """The demo model under another name."""
    return Path(shutil.copytree(demo, tmp_path / "copy"))


@pytest.fixture
def single(tmp_path: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine("demo", "huggingface", "cpu", tmp_path)
    engine.start()
    wait_until_ready(engine, "demo")
    yield engine
    engine.stop(2.0)


@pytest.mark.parametrize("breaking", ["missing", "corrupt"])
def test_a_model_that_is_broken_leaves_the_old_one_serving_and_says_why(
    single: LocalEngine, copy: Path, breaking: str
) -> None:
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    if breaking == "missing":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:-1000])
    single.load(str(copy))
    wait_for(lambda: single.status().reason == "engine.broken-model", READY_SECONDS)
    status = single.status()
    assert (status.state, status.model, status.coming) == (EngineState.READY, "demo", "")
    assert len(pictures(single.run(REQUEST))) == 1


def test_another_model_takes_over_when_it_is_ready_and_what_runs_ends_where_it_began(
    single: LocalEngine, copy: Path, pool: ThreadPoolExecutor
) -> None:
    single.load(str(copy))
    assert single.status().state is EngineState.READY
    wait_for(lambda: single.status().coming_state is EngineState.LOADING, READY_SECONDS)
    run = begun(pool, single.run(MEDIUM))
    wait_until_ready(single, "copy")
    made = pictures(single.run(REQUEST))
    assert made[0].facts["model"] == "copy"
    assert run.result(120)[0].facts["model"] == "demo"
    wait_for(lambda: len(single.child_pids) == 1)


def test_unloading_ends_what_runs_first_and_a_load_brings_it_back(
    single: LocalEngine, pool: ThreadPoolExecutor
) -> None:
    run = begun(pool, single.run(MEDIUM))
    child = single.child_pid or 0
    single.unload()
    assert single.status().state is EngineState.UNLOADED
    with pytest.raises(EngineLostError):
        next(single.run(REQUEST))
    assert len(run.result(120)) == 1
    wait_for(is_gone(child))
    single.load("demo")
    wait_until_ready(single, "demo")
    assert len(pictures(single.run(REQUEST))) == 1


def is_gone(pid: int) -> Callable[[], bool]:
    return lambda: not Path(f"/proc/{pid}").exists()
