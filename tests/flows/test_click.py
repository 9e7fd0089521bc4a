"""One click, from the reservation to the picture in the person's own folder."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from app.domain.errors import (
    ConflictError,
    InvalidRequestError,
    NotPermittedError,
    QuotaExceededError,
    StudioError,
    TooManyJobsError,
)
from app.domain.jobs import JobState
from app.flows import run
from app.flows.cancel import cancel
from app.flows.gallery import list_images, original_file, thumbnail_file
from app.flows.jobs import get_job
from app.flows.recover import Reaping
from app.flows.submit import submit
from app.flows.users import change_user
from tests.houses import ORIGIN, SMALL, Building


def test_a_click_ends_as_pictures_in_the_members_own_folder(building: Building) -> None:
    mei = building.person("mei")
    job = building.click(mei, count=2, seed=7)
    assert building.quota(mei) == (0, 2)

    building.work()

    view = get_job(building.studio, mei, job.id, ORIGIN)
    assert view.job.state is JobState.SUCCEEDED
    assert [picture.seed for picture in view.pictures] == [7, 8]
    assert building.quota(mei) == (2, 0)
    files = sorted(path.relative_to(building.outputs).as_posix() for path in building.outputs.rglob("*.png"))
    assert files == sorted(picture.path for picture in view.pictures)
    assert all(file.startswith("mei/2026-11-23/120000_") for file in files)
    assert ("mei", "job:submit", "ok") in building.actions()


def test_a_picture_tells_how_it_was_made_and_not_by_whom(light: Building) -> None:
    mei = light.person("mei", department="设计部")
    light.click(mei, prompt="一个红色的圆", seed=5)
    light.work()
    picture = list_images(light.studio, mei, cursor=None, limit=1, origin=ORIGIN).items[0]

    file = original_file(light.studio, mei, picture.id, ORIGIN)

    with Image.open(file.path) as image:
        image.load()
        texts = dict(image.text)  # type: ignore[attr-defined]  # PngImageFile has it
    assert texts["parameters"].startswith("一个红色的圆\nSteps: 2, Sampler: ")
    assert ", CFG scale: 0, Seed: 5, Size: 256x256, Model: fake" in texts["parameters"]
    assert json.loads(texts["atelier"])["seed"] == 5
    assert not any(word in text for text in texts.values() for word in ("mei", "设计部", "127.0.0.1"))
    thumb = thumbnail_file(light.studio, mei, picture.id, ORIGIN)
    with Image.open(thumb.path) as image:
        assert image.format == "WEBP"


def test_twenty_parallel_clicks_on_three_pictures_leave_exactly_three_jobs(building: Building) -> None:
    """Pitfall peers §d2.7: a quota that is read first and written later is spent twice."""
    mei = building.person("mei", quota_daily=3)

    def click(_: int) -> str:
        try:
            submit(building.studio, mei, SMALL, origin=ORIGIN)
        except QuotaExceededError as error:
            return error.code
        return "accepted"

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(click, range(20)))

    assert sorted(answers) == ["accepted"] * 3 + ["quota-exceeded"] * 17
    assert building.quota(mei) == (0, 3)


def test_a_lowered_quota_blocks_new_clicks_and_cancels_nothing(building: Building) -> None:
    mei = building.person("mei", quota_daily=5)
    building.click(mei, count=4)
    change_user(building.studio, building.console(), "mei", {"quota_daily": 2}, ORIGIN)

    with pytest.raises(QuotaExceededError):
        building.click(mei)
    building.work()

    assert building.quota(mei) == (4, 0)


def test_a_failed_job_releases_what_it_did_not_deliver(building: Building) -> None:
    mei = building.person("mei")
    building.engine.fail_next("engine-error")
    job = building.click(mei, count=3)

    building.work()

    view = get_job(building.studio, mei, job.id, ORIGIN)
    assert (view.job.state, view.job.error_code) == (JobState.FAILED, "engine-error")
    assert building.quota(mei) == (len(view.pictures), 0)


def test_a_cancelled_job_releases_at_once_and_late_pictures_are_thrown_away(building: Building) -> None:
    mei = building.person("mei")
    job = building.click(mei, count=2)
    claimed = run.claim(building.studio)
    assert claimed is not None
    cancel(building.studio, mei, job.id, ORIGIN)

    run.run(building.studio, claimed)

    assert get_job(building.studio, mei, job.id, ORIGIN).job.state is JobState.CANCELLED
    assert building.quota(mei) == (0, 0)
    assert not list(building.outputs.rglob("*.png"))
    with pytest.raises(ConflictError):
        cancel(building.studio, mei, job.id, ORIGIN)


def test_an_engine_that_dies_costs_an_attempt_and_the_third_time_the_job(building: Building) -> None:
    mei = building.person("mei")
    job = building.click(mei)
    for _ in range(3):
        claimed = run.claim(building.studio)
        assert claimed is not None
        run.hand_back(building.studio, claimed, lost=True)

    view = get_job(building.studio, mei, job.id, ORIGIN)
    assert (view.job.state, view.job.error_code, view.job.attempt) == (JobState.FAILED, "engine-lost", 3)
    assert building.quota(mei) == (0, 0)


def test_everything_is_charged_to_the_day_of_the_click(building: Building) -> None:
    mei = building.person("mei")
    building.click(mei)
    building.clock.turn(days=1)

    building.work()

    assert building.quota(mei) == (0, 0)
    building.clock.turn(days=-1)
    assert building.quota(mei) == (1, 0)


def test_a_repeated_key_finds_the_same_job_and_is_charged_once(building: Building) -> None:
    mei = building.person("mei")
    first = submit(building.studio, mei, SMALL, origin=ORIGIN, key="k")
    again = submit(building.studio, mei, {**SMALL, "count": 1.0}, origin=ORIGIN, key="k")

    assert (first.created, again.created, again.job.id) == (True, False, first.job.id)
    assert building.quota(mei) == (0, 1)
    with pytest.raises(ConflictError):
        submit(building.studio, mei, {**SMALL, "count": 2}, origin=ORIGIN, key="k")
    building.clock.turn(hours=25)
    assert submit(building.studio, mei, SMALL, origin=ORIGIN, key="k").created


def test_keys_are_forgotten_when_they_are_no_longer_kept(light: Building) -> None:
    mei = light.person("mei")
    for key in ("old", "young"):
        submit(light.studio, mei, SMALL, origin=ORIGIN, key=key)
        light.clock.turn(hours=13)
    Reaping(light.studio)()
    for key, is_kept in (("old", False), ("young", True)):
        found = light.studio.store.read(lambda tx, key=key: tx.idempotency.get(mei.user_id, key))  # type: ignore[misc]
        assert (found is not None) == is_kept


def test_a_guest_cannot_generate_and_the_refusal_is_written_down(light: Building) -> None:
    guest = light.person("visitor", role="guest")
    with pytest.raises(NotPermittedError):
        light.click(guest)
    assert light.actions()[-1] == ("visitor", "access:refused", "refused")


def test_the_role_is_read_again_inside_the_transaction(light: Building) -> None:
    mei = light.person("mei")
    change_user(light.studio, light.console(), "mei", {"role": "guest"}, ORIGIN)
    with pytest.raises(StudioError):
        light.click(mei)
    assert light.quota(mei) == (0, 0)


def test_disabling_somebody_cancels_and_releases_what_waits_and_runs(building: Building) -> None:
    mei = building.person("mei")
    building.click(mei)
    building.click(mei, count=2)
    claimed = run.claim(building.studio)
    assert claimed is not None

    change_user(building.studio, building.console(), "mei", {"disabled": True}, ORIGIN)
    run.run(building.studio, claimed)

    assert building.quota(mei) == (0, 0)
    assert run.claim(building.studio) is None


def test_waiting_jobs_are_capped(light: Building) -> None:
    mei = light.person("mei", quota_daily="unlimited")
    for _ in range(mei.limits.max_waiting):
        light.click(mei)
    with pytest.raises(TooManyJobsError):
        light.click(mei)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 1000),
        ("width", 0),
        ("height", 9000),
        ("height", "512"),
        ("steps", 0),
        ("steps", 1e9),
        ("steps", 2.5),
        ("count", 0),
        ("count", True),
        ("seed", "seven"),
        ("seed", 2**80),
        ("seed", -1),
        ("guidance_scale", float("nan")),
        ("guidance_scale", float("inf")),
        ("guidance_scale", 11),
        ("prompt", ""),
        ("prompt", " \u3000\u200b\n"),
        ("prompt", "x" * 100_000),
        ("prompt", "\ud800"),
        ("prompt", "a\x00b"),
        ("prompt", None),
        ("prompt", ["a"]),
        ("prompt", "<|im_end|>"),
        ("prompt", "word " * 400 + "word, " * 100),
        ("negative_prompt", 5),
        ("exact", "yes"),
        ("colour", "red"),
    ],
)
def test_bad_input_names_the_field_and_changes_nothing(light: Building, field: str, value: object) -> None:
    mei = light.person("mei")
    with pytest.raises(InvalidRequestError) as refused:
        light.click(mei, **{field: value})
    assert [error.field for error in refused.value.errors] == [field]
    assert light.quota(mei) == (0, 0)
    assert run.claim(light.studio) is None
