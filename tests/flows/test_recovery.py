"""What a crash leaves behind, and how the next start puts it in order."""

import errno
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from zoneinfo import ZoneInfo

import pytest

from app.domain.errors import UnavailableError
from app.domain.jobs import Job, JobState
from app.domain.ports import (
    EngineCancelledError,
    PictureMade,
    PictureNotKeptError,
    PictureRecipe,
    StoredPicture,
)
from app.flows import run
from app.flows.cancel import cancel
from app.flows.check import find_differences
from app.flows.gallery import list_images
from app.flows.jobs import get_job
from app.flows.pictures import keep, order_missing, recipe_of
from app.flows.recover import Recovery, recover
from app.flows.studio import Studio
from app.flows.submit import submit
from app.quota.ledger import day_on
from tests.houses import ORIGIN, SMALL, Building


def crash_after_writing(building: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run one job up to the moment between the file and its row, and die there."""
    keep = building.studio.vault.keep

    def keep_and_die(recipe: PictureRecipe, png: bytes, small: bytes, facts: Mapping[str, str]) -> StoredPicture:
        keep(recipe, png, small, facts)
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(building.studio.vault, "keep", keep_and_die)
        claimed = run.claim(building.studio)
        assert claimed is not None
        with pytest.raises(SystemExit):
            run.run(building.studio, claimed)
    assert len(list(building.outputs.rglob("*.png"))) == 1


def test_a_file_without_a_row_is_replaced_by_the_next_attempt(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    mei = building.person("mei")
    job = building.click(mei, count=2)
    crash_after_writing(building, monkeypatch)

    recover(building.studio, lost=True)
    assert not list(building.outputs.rglob("*.png"))
    assert building.quota(mei) == (0, 2)
    building.work()

    assert get_job(building.studio, mei, job.id, ORIGIN).job.state is JobState.SUCCEEDED
    assert building.quota(mei) == (2, 0)
    assert len(list(building.outputs.rglob("*.png"))) == 2
    assert find_differences(building.studio) == ()


def test_with_the_last_picture_the_job_has_ended_however_soon_the_kill(
    light: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise SystemExit

    mei = light.person("mei")
    job = light.click(mei)
    with monkeypatch.context() as patched:
        patched.setattr("app.flows.run.remember", die)  # the first thing after the picture was kept
        with pytest.raises(SystemExit):
            light.work()
    assert light.view(mei, job).job.state is JobState.SUCCEEDED
    assert light.quota(mei) == (1, 0)
    assert find_differences(light.studio, patience=0) == ()


def test_a_file_without_a_row_goes_when_its_job_is_cancelled_before_the_next_start(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    mei = building.person("mei")
    job = building.click(mei)
    crash_after_writing(building, monkeypatch)

    cancel(building.studio, mei, job.id, ORIGIN)

    assert not list(building.outputs.rglob("*.png"))
    assert building.quota(mei) == (0, 0)


def test_a_full_disk_fails_the_job_and_charges_nothing(building: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_recipe: PictureRecipe, _png: bytes, _small: bytes, _facts: Mapping[str, str]) -> StoredPicture:
        raise PictureNotKeptError("disk-full")

    mei = building.person("mei")
    job = building.click(mei, count=2)
    monkeypatch.setattr(building.studio.vault, "keep", full)
    building.work()

    view = get_job(building.studio, mei, job.id, ORIGIN)
    assert (view.job.state, view.job.error_code) == (JobState.FAILED, "disk-full")
    assert building.quota(mei) == (0, 0)


def test_a_database_that_goes_away_in_the_middle_costs_an_attempt_and_nothing_else(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    mei = building.person("mei")
    job = building.click(mei)
    claimed = run.claim(building.studio)
    assert claimed is not None

    def away(_work: object) -> None:
        raise UnavailableError

    with monkeypatch.context() as patched:
        patched.setattr(building.studio.store, "write", away)
        with pytest.raises(UnavailableError):
            run.run(building.studio, claimed)
    recover(building.studio, lost=False)
    building.work()

    view = get_job(building.studio, mei, job.id, ORIGIN)
    assert (view.job.state, view.job.attempt) == (JobState.SUCCEEDED, 2)
    assert building.quota(mei) == (1, 0)
    assert find_differences(building.studio) == ()


def test_a_job_that_breaks_us_every_time_fails_after_three_tries_and_blocks_nobody(
    light: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only a dead engine: any mistake of ours that one job brings out."""
    mei, tom = light.person("mei"), light.person("tom")
    poison, other = light.click(mei, seed=13), light.click(tom)
    keep = light.studio.vault.keep

    def choke(recipe: PictureRecipe, png: bytes, small: bytes, facts: Mapping[str, str]) -> StoredPicture:
        if recipe.seed == 13:
            raise ZeroDivisionError
        return keep(recipe, png, small, facts)

    monkeypatch.setattr(light.studio.vault, "keep", choke)
    for _ in range(4):
        light.work()

    view = get_job(light.studio, mei, poison.id, ORIGIN)
    assert (view.job.state, view.job.error_code, view.job.attempt) == (JobState.FAILED, "internal-error", 3)
    assert get_job(light.studio, tom, other.id, ORIGIN).job.state is JobState.SUCCEEDED
    assert (light.quota(mei), light.quota(tom)) == ((0, 0), (1, 0))
    assert find_differences(light.studio) == ()


def test_a_file_that_no_row_knows_is_set_aside_at_the_next_start_and_not_removed(light: Building) -> None:
    mei = light.person("mei")
    light.click(mei)
    light.work()
    (known,) = light.outputs.rglob("*.png")
    stray = known.with_name("120001_5_0123456789abcdef.png")
    stray.write_bytes(b"a picture")
    own = known.with_name("holiday.png")
    own.write_bytes(b"of somebody who likes order")

    Recovery(light.studio)()

    assert (known.exists(), stray.exists(), own.exists()) == (True, False, True)
    (kept,) = (light.outputs.parent / "data" / "strays").rglob("*.png")
    assert kept.read_bytes() == b"a picture"


def test_a_picture_whose_file_is_gone_leaves_the_gallery_and_the_trail_tells(light: Building) -> None:
    mei = light.person("mei")
    for _ in range(2):
        light.click(mei)
        light.work()
    lost, kept = list_images(light.studio, mei, cursor=None, limit=5, origin=ORIGIN).items
    (light.outputs / lost.path).unlink()

    Recovery(light.studio)()

    assert [each.id for each in list_images(light.studio, mei, cursor=None, limit=5, origin=ORIGIN).items] == [kept.id]
    assert ("system", "image:lost", "failed") in light.actions()
    assert light.quota(mei) == (2, 0)
    assert find_differences(light.studio) == ()


def test_a_disk_that_is_not_there_costs_nobody_a_picture(light: Building) -> None:
    mei = light.person("mei")
    light.click(mei, count=2)
    light.work()
    light.outputs.rename(light.outputs.with_name("unmounted"))

    Recovery(light.studio)()

    assert len(list_images(light.studio, mei, cursor=None, limit=5, origin=ORIGIN).items) == 2


@pytest.mark.parametrize(("before", "after"), [("UTC", "Asia/Shanghai"), ("Asia/Shanghai", "UTC")])
def test_after_the_time_zone_changed_everybody_has_one_today(building: Building, before: str, after: str) -> None:
    """20:00 in UTC is tomorrow in Shanghai."""
    mei = building.person("mei")
    studios = [replace(building.studio, zone=ZoneInfo(zone)) for zone in (before, after)]
    building.clock.moment = datetime.now(UTC).replace(hour=20, minute=0)  # noqa: TID251 - the view asks the database
    for studio in studios:
        Recovery(studio)()
        submit(studio, mei, SMALL, origin=ORIGIN)

    rows = building.studio.store.read(
        lambda tx: tx.quota.recent_days(building.clock.now() - timedelta(days=3)),
    )
    bounds = [day_on(day, studios[1].zone) for day in rows]
    containing = [day for day in bounds if day.starts_at <= building.clock.now() < day.ends_at]
    assert len(containing) == 1
    assert find_differences(building.studio) == ()


def test_one_job_that_cannot_be_put_back_stops_nobody_else(light: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    mei, tom = light.person("mei"), light.person("tom")
    first, second = light.click(mei), light.click(tom)
    run.claim(light.studio)
    run.claim(light.studio)
    hand_back = run.hand_back

    def refuse(studio: Studio, job: Job, *, lost: bool) -> None:
        if job.id == first.id:
            raise ZeroDivisionError
        hand_back(studio, job, lost=lost)

    for job in (first, second):
        light.studio.progress.forget(job.id, job.user_id)
    monkeypatch.setattr("app.flows.recover.hand_back", refuse)
    recover(light.studio, lost=True)

    assert get_job(light.studio, mei, first.id, ORIGIN).job.state is JobState.RUNNING
    assert get_job(light.studio, tom, second.id, ORIGIN).job.state is JobState.QUEUED


def test_a_late_result_leaves_the_file_of_the_next_attempt_alone(light: Building) -> None:
    mei = light.person("mei")
    job = light.click(mei)
    late = run.claim(light.studio)
    assert late is not None
    run.hand_back(light.studio, late, lost=True)
    *_, made = light.engine.run(order_missing(light.studio, late))
    assert isinstance(made, PictureMade)
    now = run.claim(light.studio)
    assert now is not None
    recipe = recipe_of(light.studio, now, 0)
    light.studio.vault.keep(recipe, made.png, made.thumbnail, made.facts)

    with pytest.raises(EngineCancelledError):
        keep(light.studio, late, made)

    assert light.studio.vault.size(light.studio.vault.path_of(recipe)) is not None
    assert get_job(light.studio, mei, job.id, ORIGIN).job.attempt == 2


def test_a_disk_that_gives_nothing_up_does_not_keep_a_cancel_from_everybody(
    light: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    mei = light.person("mei")
    job = light.click(mei)
    before = light.studio.progress.version(mei.user_id)

    def read_only(*_: object) -> NoReturn:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(light.studio.vault, "discard", read_only)
    cancel(light.studio, mei, job.id, ORIGIN)
    assert get_job(light.studio, mei, job.id, ORIGIN).job.state is JobState.CANCELLED
    assert light.studio.progress.version(mei.user_id) > before


def test_pictures_that_were_made_while_the_disk_was_away_cost_nobody_the_others(light: Building) -> None:
    mei = light.person("mei")
    light.click(mei, count=4)
    light.work()
    light.outputs.rename(light.outputs.with_name("unmounted"))
    light.click(mei)
    light.work()

    Recovery(light.studio)()

    assert len(list_images(light.studio, mei, cursor=None, limit=9, origin=ORIGIN).items) == 5
