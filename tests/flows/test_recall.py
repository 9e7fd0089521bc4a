"""What was made before is given at once: without a turn or an engine, whatever happens in between."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from app.domain.errors import QuotaExceededError
from app.domain.jobs import JobState
from app.domain.ports import EngineState, PictureNotKeptError, PictureRecipe, StoredPicture
from app.flows import recall, run
from app.flows.cancel import cancel
from app.flows.check import find_differences
from app.flows.queue_control import pause, resume
from app.flows.recover import recover
from app.flows.results import give
from app.flows.submit import submit
from tests.databases import fresh_database
from tests.flows.conftest import Furnished
from tests.flows.giving import SEED, asked, made, pictures
from tests.houses import ORIGIN, SMALL, Building, make_house


def test_after_a_restart_it_is_given_while_the_model_still_warms_up(tmp_path: Path, furnished: Furnished) -> None:
    with fresh_database("sqlite", tmp_path, furnished("sqlite")) as url:
        with make_house(url, tmp_path) as before:
            before.person("mei")
            made(before, before.signed_in("mei"))
        with make_house(url, tmp_path) as after:
            mei = after.signed_in("mei")
            after.engine.become(EngineState.WARMING)
            job = after.click(mei, seed=SEED)
            after.recall()
            assert after.view(mei, job).job.state is JobState.SUCCEEDED
            assert asked(after) == 0


def test_while_nobody_knows_what_will_be_loaded_it_waits(light: Building) -> None:
    mei = light.person("mei")
    made(light, mei)
    light.engine.become(EngineState.LOADING)
    job, looks = light.click(mei, seed=SEED), recall.Recall(light.studio)
    looks()
    assert light.view(mei, job).job.state is JobState.QUEUED
    light.engine.become_ready()
    looks()
    assert light.view(mei, job).job.state is JobState.SUCCEEDED


def test_it_waits_behind_nobody_and_moves_nobody_back(light: Building) -> None:
    mei, tom = light.person("mei"), light.person("tom")
    made(light, mei)
    others = [light.click(tom, seed=number) for number in range(100, 103)]
    again, later = light.click(mei, seed=SEED), light.click(mei, seed=200)
    behind = light.place(mei, later)
    light.recall()
    assert light.view(mei, again).job.state is JobState.SUCCEEDED
    assert [light.place(tom, job) for job in others] == [1, 3, 4]
    assert (behind, light.place(mei, later)) == (4, 2)


def test_a_paused_queue_gives_nothing_until_it_goes_on(light: Building) -> None:
    mei, looks = light.person("mei"), recall.Recall(light.studio)
    made(light, mei)
    job = light.click(mei, seed=SEED)
    pause(light.studio, light.console(), ORIGIN)
    looks()
    recall.serve(light.studio, job)
    looks.after(job)
    assert light.view(mei, job).job.state is JobState.QUEUED
    resume(light.studio, light.console(), ORIGIN)
    looks()
    assert light.view(mei, job).job.state is JobState.SUCCEEDED


def test_only_what_is_missing_is_made(building: Building) -> None:
    mei = building.person("mei")
    made(building, mei)
    job = building.click(mei, seed=SEED - 1, count=3)
    building.recall()
    assert building.view(mei, job).job.state is JobState.QUEUED
    building.work()
    assert [each.cached for each in pictures(building, mei, job)] == [False, True, False]
    assert asked(building) == 3
    assert building.quota(mei) == (3, 0)
    assert find_differences(building.studio, patience=0) == ()


def test_what_was_asked_for_twice_is_made_once(light: Building) -> None:
    mei, looks = light.person("mei"), recall.Recall(light.studio)
    first, second = light.click(mei, seed=SEED), light.click(mei, seed=SEED)
    looks()
    light.work()
    assert light.view(mei, second).job.state is JobState.QUEUED
    looks.after(first)
    assert light.view(mei, second).job.state is JobState.SUCCEEDED
    assert asked(light) == 1
    assert light.quota(mei) == (1, 0)


def test_at_its_turn_a_job_is_given_what_came_meanwhile_and_needs_no_engine(light: Building) -> None:
    mei = light.person("mei")
    jobs = [light.click(mei, seed=SEED) for _ in range(2)]
    for _ in jobs:
        light.work()
    assert [light.view(mei, job).job.state for job in jobs] == [JobState.SUCCEEDED] * 2
    assert len(light.engine.requests) == 1


def test_parallel_clicks_on_the_last_picture_of_the_day_never_exceed_it(building: Building) -> None:
    mei = building.person("mei", quota_daily=2)
    made(building, mei)
    looks = recall.Recall(building.studio)

    def click(_: int) -> int:
        try:
            submit(building.studio, mei, {**SMALL, "seed": SEED}, origin=ORIGIN)
        except QuotaExceededError:
            return 0
        looks()
        used, reserved = building.quota(mei)
        assert used + reserved <= 2
        return 1

    with ThreadPoolExecutor(8) as pool:
        accepted = sum(pool.map(click, range(16)))
    building.recall()

    assert accepted >= 1
    charged = max(0, accepted - 2)  # as many are free as may be made a day
    assert (building.quota(mei), asked(building)) == ((1 + charged, 0), 1)
    assert find_differences(building.studio, patience=0) == ()


def test_a_kill_between_file_and_row_costs_nothing_but_the_time(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    mei = building.person("mei")
    made(building, mei, count=2)
    keep = building.studio.vault.keep

    def keep_and_die(recipe: PictureRecipe, *content: object) -> StoredPicture:
        keep(recipe, *content)  # type: ignore[arg-type]  # whatever the port says
        raise SystemExit

    job = building.click(mei, seed=SEED, count=2)
    with monkeypatch.context() as patched:
        patched.setattr(building.studio.vault, "keep", keep_and_die)
        with pytest.raises(SystemExit):
            building.recall()
    recover(building.studio, lost=True)
    assert building.quota(mei) == (2, 2)
    building.recall()

    assert building.view(mei, job).job.state is JobState.SUCCEEDED
    assert (building.quota(mei), asked(building)) == ((2, 0), 2)
    assert len(list(building.outputs.rglob("*.png"))) == 4
    assert find_differences(building.studio, patience=0) == ()


@pytest.mark.parametrize("given", [0, 1])
def test_a_kill_before_a_picture_neither_doubles_nor_loses(
    light: Building, monkeypatch: pytest.MonkeyPatch, given: int
) -> None:
    mei, left = light.person("mei"), [given]
    made(light, mei, count=2)

    def give_or_die(*what: object) -> bool:
        if left[0] == 0:
            raise SystemExit
        left[0] -= 1
        return give(*what)  # type: ignore[arg-type]  # as it is called

    job = light.click(mei, seed=SEED, count=2)
    with monkeypatch.context() as patched:
        patched.setattr("app.flows.recall.give", give_or_die)
        with pytest.raises(SystemExit):
            light.recall()
    assert len(pictures(light, mei, job)) == given
    recover(light.studio, lost=True)
    light.recall()

    assert light.view(mei, job).job.state is JobState.SUCCEEDED
    assert [each.cached for each in pictures(light, mei, job)] == [True, True]
    assert (light.quota(mei), asked(light)) == ((2, 0), 2)
    assert find_differences(light.studio, patience=0) == ()


def test_a_full_disk_fails_the_job_clearly_and_charges_nothing(
    light: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise PictureNotKeptError("disk-full")

    mei = light.person("mei")
    made(light, mei)
    job = light.click(mei, seed=SEED)
    monkeypatch.setattr(light.studio.vault, "keep", full)
    light.recall()
    found = light.view(mei, job).job
    assert (found.state, found.error_code) == (JobState.FAILED, "disk-full")
    assert light.quota(mei) == (1, 0)


def test_a_job_that_was_cancelled_or_begun_meanwhile_is_left_alone(light: Building) -> None:
    mei = light.person("mei")
    made(light, mei)
    cancelled, begun = light.click(mei, seed=SEED), light.click(mei, seed=SEED)
    cancel(light.studio, mei, cancelled.id, ORIGIN)
    recall.serve(light.studio, cancelled)
    assert light.view(mei, cancelled).job.state is JobState.CANCELLED
    assert light.studio.progress.running() == ()

    claimed = run.claim(light.studio)
    assert claimed is not None
    recall.serve(light.studio, begun)
    assert light.view(mei, begun).job.state is JobState.RUNNING
    assert light.studio.progress.running() == (begun.id,)
    run.run(light.studio, claimed)
    assert light.quota(mei) == (1, 0)


def test_a_repeated_key_finds_the_job_that_was_given_its_picture(light: Building) -> None:
    mei, body = light.person("mei"), {**SMALL, "seed": SEED}
    made(light, mei)
    first = submit(light.studio, mei, body, origin=ORIGIN, key="k")
    light.recall()
    again = submit(light.studio, mei, body, origin=ORIGIN, key="k")
    assert (again.created, again.job.id, again.job.state) == (False, first.job.id, JobState.SUCCEEDED)
    assert light.quota(mei) == (1, 0)
