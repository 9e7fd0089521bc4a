"""Two servers on one database: nothing is claimed, made or charged twice, and each learns what the other does."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from app.bootstrap import build
from app.domain.jobs import JobState
from app.flows import run
from app.flows.cancel import cancel
from app.flows.check import find_differences
from app.flows.jobs import changes, changes_later, get_job, unchanged
from app.flows.recover import recover
from app.flows.watch import Watcher
from app.settings import load
from tests.engine.fake_engine import FakeEngine
from tests.engine.waiting import wait_for
from tests.houses import ORIGIN, Building, another_process


def test_a_process_that_makes_nothing_knows_the_times_from_the_pictures_that_were_made(light: Building) -> None:
    mei = light.person("mei")
    light.engine.step_delay = 0.01
    light.click(mei)
    light.work()
    waiting = light.click(mei)
    other = another_process(light.studio)
    assert get_job(other, mei, waiting.id, ORIGIN).eta_seconds == 1


def test_two_dispatchers_on_one_database_make_every_picture_once(
    building: Building, database_url: str, tmp_path: Path
) -> None:
    people = [building.person(name) for name in ("mei", "tom", "ann")]
    jobs = [building.click(actor, count=2) for actor in people for _ in range(5)]
    settings = load(
        database_url=database_url,
        data_dir=tmp_path / "data",
        outputs_dir=building.outputs,
        models_dir=tmp_path / "models",
        timezone="UTC",
    )
    second = build(settings, engine=FakeEngine())
    second.studio.engine.start()
    studios = [building.studio, replace(second.studio, clock=building.clock)]
    claimed: list[tuple[str, int]] = []
    start = threading.Barrier(4)

    def dispatch(number: int) -> None:
        studio = studios[number % 2]
        start.wait(20)
        while (job := run.claim(studio)) is not None:
            claimed.append((job.id, job.attempt))
            run.run(studio, job)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(dispatch, range(4)))
    second.studio.engine.stop(1)
    second.close()

    assert sorted(claimed) == sorted((job.id, 1) for job in jobs)
    assert [building.quota(actor) for actor in people] == [(10, 0)] * 3
    assert len(list(building.outputs.rglob("*.png"))) == 30
    assert find_differences(building.studio, patience=0) == ()


def test_a_job_of_a_living_process_is_left_alone_until_its_lease_ends(building: Building) -> None:
    mei = building.person("mei")
    job = building.click(mei)
    there = another_process(building.studio)
    assert run.claim(there) is not None
    here = another_process(building.studio)

    building.clock.turn(seconds=run.LEASE.total_seconds() - 1)
    recover(here, lost=True)
    assert building.view(mei, job).job.state is JobState.RUNNING

    there.store.write(lambda tx: tx.jobs.renew(there.worker, run.lease(there).until))
    building.clock.turn(seconds=run.LEASE.total_seconds() - 1)
    recover(here, lost=True)
    assert building.view(mei, job).job.state is JobState.RUNNING

    building.clock.turn(seconds=2)
    recover(here, lost=True)
    found = building.view(mei, job).job
    assert (found.state, found.losses, found.worker) == (JobState.QUEUED, 1, None)


def test_the_watcher_keeps_the_lease_of_what_runs_here(light: Building) -> None:
    mei = light.person("mei")
    job = light.click(mei)
    run.claim(light.studio)
    light.clock.turn(seconds=10)
    Watcher(light.studio).look()
    until = light.view(mei, job).job.lease_until
    assert until == light.clock.now() + run.LEASE > light.clock.now() + timedelta(seconds=1)


def test_what_another_process_cancelled_ends_here_at_the_next_look(building: Building) -> None:
    mei = building.person("mei")
    building.engine.hang()
    job = building.click(mei)
    claimed = run.claim(building.studio)
    assert claimed is not None
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(run.run, building.studio, claimed)
        wait_for(lambda: bool(building.engine.requests))
        other = replace(another_process(building.studio), engine=FakeEngine())
        cancel(other, mei, job.id, ORIGIN)
        Watcher(building.studio).look()
        made.result(10)
    assert building.view(mei, job).job.state is JobState.CANCELLED
    assert building.quota(mei) == (0, 0)


def test_a_page_on_another_server_learns_at_once_what_happens_here(building: Building) -> None:
    mei = building.person("mei")
    there = another_process(building.studio)
    watcher = Watcher(there)

    async def poll() -> tuple[JobState, ...]:
        news = changes(there, mei, None, ORIGIN)
        seen = []
        for act in (lambda: building.click(mei), building.work):
            waiting = asyncio.ensure_future(there.progress.wait(mei.user_id, news.version, 0.2))
            await asyncio.sleep(0)
            await asyncio.to_thread(watcher.look)  # whoever is new here may be woken once for nothing
            await waiting
            news = changes(there, mei, news.rev, ORIGIN)
            waiting = asyncio.ensure_future(there.progress.wait(mei.user_id, news.version, 20))
            await asyncio.sleep(0)
            await asyncio.to_thread(act)
            await asyncio.to_thread(watcher.look)
            assert await waiting
            news = changes(there, mei, news.rev, ORIGIN)
            seen += [view.job.state for view in news.jobs]
        return tuple(seen)

    assert asyncio.run(poll()) == (JobState.QUEUED, JobState.SUCCEEDED)


def test_a_page_that_was_not_looked_at_anew_learns_what_another_server_did_meanwhile(building: Building) -> None:
    mei = building.person("mei")
    there = another_process(building.studio)
    rev = changes(there, mei, None, ORIGIN).rev
    job = building.click(mei)  # between two polls

    async def poll() -> tuple[str, ...]:
        known = unchanged(there, mei, rev)
        assert known is not None
        waiting = asyncio.ensure_future(there.progress.wait(mei.user_id, known.version, 20))
        await asyncio.sleep(0)
        await asyncio.to_thread(Watcher(there).look)
        assert await waiting
        news = changes_later(there, mei, rev)
        assert news is not None
        return tuple(view.job.id for view in news.jobs)

    assert asyncio.run(poll()) == (job.id,)
