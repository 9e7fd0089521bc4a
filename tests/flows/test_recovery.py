"""What a crash leaves behind, and how the next start puts it in order."""

from collections.abc import Mapping

import pytest

from app.domain.errors import UnavailableError
from app.domain.jobs import JobState
from app.domain.ports import PictureNotKeptError, PictureRecipe, StoredPicture
from app.flows import run
from app.flows.cancel import cancel
from app.flows.check import find_differences
from app.flows.jobs import get_job
from app.flows.recover import recover
from tests.houses import ORIGIN, Building


def crash_after_writing(building: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run one job up to the moment between the file and its row, and die there."""
    keep = building.studio.vault.keep

    def keep_and_die(recipe: PictureRecipe, png: bytes, facts: Mapping[str, str]) -> StoredPicture:
        keep(recipe, png, facts)
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
    def full(_recipe: PictureRecipe, _png: bytes, _facts: Mapping[str, str]) -> StoredPicture:
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
