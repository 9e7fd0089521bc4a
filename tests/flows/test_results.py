"""The result cache: who asked for the same before has the picture at once, as an own one, for nothing by default."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from PIL import Image

from app.domain.errors import NotPermittedError, QuotaExceededError
from app.domain.jobs import Job, JobState, Picture
from app.domain.people import Principal
from app.domain.ports import EngineState, PictureNotKeptError, PictureRecipe, StoredPicture
from app.flows import recall, run
from app.flows.cancel import cancel
from app.flows.check import find_differences
from app.flows.gallery import delete_image, original_file
from app.flows.queue_control import pause, resume, view_queue
from app.flows.recover import Recovery, recover
from app.flows.results import clear_results
from app.flows.submit import submit
from app.flows.users import change_user
from app.flows.views import job_json, queue_json
from tests.databases import fresh_database
from tests.engine.fake_engine import FACTS
from tests.flows.conftest import Furnished
from tests.houses import ORIGIN, SMALL, Building, make_house

SEED = 7


def asked(building: Building) -> int:
    """How many pictures the engine was asked for."""
    return sum(len(request.pictures) for request in building.engine.requests)


def pictures(building: Building, actor: Principal, job: Job) -> tuple[Picture, ...]:
    return building.view(actor, job).pictures


def pixels(building: Building, actor: Principal, job: Job) -> list[bytes]:
    found = []
    for picture in pictures(building, actor, job):
        with Image.open(original_file(building.studio, actor, picture.id, ORIGIN).path) as image:
            found.append(image.tobytes())
    return found


def made(building: Building, actor: Principal, **fields: object) -> Job:
    """A job that had its turn."""
    job = building.click(actor, **{"seed": SEED, **fields})
    building.work()
    return job


def is_given(building: Building, actor: Principal, **fields: object) -> bool:
    """Whether such a click has its pictures without a turn; else it gets them at its turn."""
    job = building.click(actor, **{"seed": SEED, **fields})
    building.recall()
    ended = building.view(actor, job).job.state is JobState.SUCCEEDED
    building.work()
    assert building.view(actor, job).job.state is JobState.SUCCEEDED
    return ended


@pytest.fixture
def shared(light: Building) -> Building:
    return replace(light, studio=replace(light.studio, results_shared=True))


def test_the_same_click_has_the_same_picture_at_once_as_an_own_one_and_for_nothing(building: Building) -> None:
    mei = building.person("mei", department="design")
    first = made(building, mei, count=2)
    building.clock.turn(minutes=1)
    again = building.click(mei, seed=SEED, count=2)
    assert building.quota(mei) == (2, 2)

    building.recall()

    view = building.view(mei, again)
    assert (view.job.state, view.job.attempt, asked(building)) == (JobState.SUCCEEDED, 1, 2)
    assert pixels(building, mei, again) == pixels(building, mei, first)
    assert not {each.path for each in view.pictures} & {each.path for each in pictures(building, mei, first)}
    assert [(each.cached, each.charged, each.seconds) for each in view.pictures] == [(True, False, 0.0)] * 2
    assert building.quota(mei) == (2, 0)
    month = building.studio.store.read(lambda tx: tx.months.month("design", building.studio.this_month().date))
    assert (month.used, month.reserved) == (2, 0)
    assert find_differences(building.studio, patience=0) == ()
    assert building.actions()[-1] == ("system", "job:end", "ok")


def test_the_ledger_explains_what_cost_nothing(light: Building) -> None:
    mei = light.person("mei")
    made(light, mei)
    job = light.click(mei, seed=SEED)
    light.recall()
    today = light.studio.today().date
    entries = light.studio.store.read(lambda tx: tx.quota.entries(mei.user_id, today, None, 10)).items
    told = [(each.kind, each.picture_index, each.amount, each.reason) for each in entries if each.job_id == job.id]
    assert told == [("release", 0, 1, "from-cache"), ("reserve", -1, 1, "submitted")]
    (image,) = job_json(light.view(mei, job), "en")["images"]
    assert (image["cached"], image["charged"]) == (True, False)


def test_what_is_charged_in_full_counts_like_any_other(building: Building) -> None:
    full = replace(building, studio=replace(building.studio, results_charged=True))
    mei = full.person("mei")
    made(full, mei)
    job = full.click(mei, seed=SEED)
    full.recall()
    (picture,) = pictures(full, mei, job)
    assert (picture.cached, picture.charged, asked(full)) == (True, True, 1)
    assert full.quota(mei) == (2, 0)
    assert find_differences(full.studio, patience=0) == ()


def test_nobody_gets_what_another_person_has_made(light: Building) -> None:
    made(light, light.person("mei"))
    assert not is_given(light, light.person("tom"))


def test_where_it_is_allowed_everybody_gets_it_until_its_owner_deletes_it_or_leaves(shared: Building) -> None:
    mei, tom = shared.person("mei"), shared.person("tom")
    first = made(shared, mei)
    assert is_given(shared, tom)
    assert asked(shared) == 1
    delete_image(shared.studio, mei, pictures(shared, mei, first)[0].id, ORIGIN)
    assert not is_given(shared, tom)

    made(shared, mei, seed=8)
    assert is_given(shared, tom, seed=8)
    change_user(shared.studio, shared.console(), "mei", {"disabled": True}, ORIGIN)
    assert not is_given(shared, tom, seed=8)


def test_a_picture_in_the_bin_is_not_given_again_and_a_copy_in_the_bin_hurts_nothing(light: Building) -> None:
    mei = light.person("mei")
    first = made(light, mei)
    copy = light.click(mei, seed=SEED)
    light.recall()
    delete_image(light.studio, mei, pictures(light, mei, copy)[0].id, ORIGIN)
    assert is_given(light, mei)
    delete_image(light.studio, mei, pictures(light, mei, first)[0].id, ORIGIN)
    assert light.studio.results.status().entries == 0
    assert not is_given(light, mei)


def test_what_another_server_deleted_is_not_given_either_and_goes_at_the_next_start(light: Building) -> None:
    """That server cannot reach this one's disk: the database knows."""
    mei = light.person("mei")
    gone = [pictures(light, mei, made(light, mei, seed=seed))[0].id for seed in (SEED, 100)]
    for image_id in gone:
        light.studio.store.write(lambda tx, which=image_id: tx.images.delete(which, light.clock.now()))  # type: ignore[misc]
    assert not is_given(light, mei)
    assert light.studio.results.picture_ids() >= {gone[1]}
    Recovery(light.studio)()
    assert not light.studio.results.picture_ids() & set(gone)


def test_an_exact_job_takes_exact_pictures_only_and_any_other_takes_them_too(light: Building) -> None:
    mei = light.person("mei")
    made(light, mei)
    assert not is_given(light, mei, exact=True)
    assert is_given(light, mei, exact=True)
    made(light, mei, seed=100, exact=True)
    assert is_given(light, mei, seed=100)


@pytest.mark.parametrize("fact", ["model", "revision", "device"])
def test_another_model_or_device_makes_its_own_pictures(light: Building, fact: str) -> None:
    mei = light.person("mei")
    made(light, mei)
    light.engine.facts = FACTS | {fact: "another"}
    light.engine.become_ready()
    assert not is_given(light, mei)
    light.engine.facts = FACTS
    light.engine.become_ready()
    assert is_given(light, mei)


@pytest.mark.parametrize(
    "other", [{"prompt": "a blue circle"}, {"width": 272}, {"steps": 3}, {"seed": 8}, {"guidance_scale": 1.0}]
)
def test_another_wish_makes_another_picture(light: Building, other: Mapping[str, object]) -> None:
    mei = light.person("mei")
    made(light, mei)
    assert not is_given(light, mei, **other)


def test_after_a_restart_it_is_given_while_the_model_is_still_being_loaded(
    tmp_path: Path, furnished: Furnished
) -> None:
    with fresh_database("sqlite", tmp_path, furnished("sqlite")) as url:
        with make_house(url, tmp_path) as before:
            before.person("mei")
            made(before, before.signed_in("mei"))
        with make_house(url, tmp_path) as after:
            mei = after.signed_in("mei")
            after.engine.become(EngineState.LOADING)
            job = after.click(mei, seed=SEED)
            after.recall()
            assert after.view(mei, job).job.state is JobState.SUCCEEDED
            assert asked(after) == 0


def test_while_nobody_knows_what_will_be_loaded_it_waits(light: Building) -> None:
    mei = light.person("mei")
    made(light, mei)
    light.engine.become(EngineState.STARTING)
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
    assert (building.quota(mei), asked(building)) == ((1, 0), 1)
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


@pytest.mark.parametrize("given", [0, 1, 2])
def test_a_kill_between_two_pictures_or_before_the_end_neither_doubles_nor_loses(
    light: Building, monkeypatch: pytest.MonkeyPatch, given: int
) -> None:
    mei, left = light.person("mei"), [given]
    made(light, mei, count=2)
    give = recall.give

    def give_or_die(*what: object) -> None:
        if left[0] == 0:
            raise SystemExit
        left[0] -= 1
        give(*what)  # type: ignore[arg-type]  # as it is called

    def die(*_: object) -> NoReturn:
        raise SystemExit

    job = light.click(mei, seed=SEED, count=2)
    with monkeypatch.context() as patched:
        patched.setattr("app.flows.recall.give", give_or_die)
        patched.setattr("app.flows.run.end", die)
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


def test_a_damaged_copy_is_made_anew(light: Building) -> None:
    mei = light.person("mei")
    first = made(light, mei)
    (file,) = (light.outputs.parent / "data" / "results").iterdir()
    file.write_bytes(file.read_bytes()[:-100] + bytes(100))
    assert not is_given(light, mei)
    assert asked(light) == 2
    assert is_given(light, mei)
    assert len(set(pixels(light, mei, first))) == 1


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


def test_a_tokens_own_quota_counts_what_was_charged(light: Building) -> None:
    mei = light.person("mei")
    made(light, mei)
    token = replace(mei, token_id="0123456789ab", token_quota=1)
    assert is_given(light, token)
    assert is_given(light, token)
    made(light, token, seed=100)
    with pytest.raises(QuotaExceededError):
        light.click(token, seed=SEED)


def test_administrators_see_how_much_it_gives_and_can_clear_it(light: Building) -> None:
    mei, admin = light.person("mei"), light.signed_in("admin")
    made(light, mei)
    assert is_given(light, mei)
    cache = queue_json(view_queue(light.studio, admin, ORIGIN), "en")["cache"]
    assert (cache["entries"], cache["hits"], cache["misses"]) == (1, 1, 1)
    assert 0 < cache["bytes"] < cache["most_bytes"]

    with pytest.raises(NotPermittedError):
        clear_results(light.studio, mei, ORIGIN)
    assert is_given(light, mei)
    clear_results(light.studio, admin, ORIGIN)
    assert light.actions()[-1] == ("admin", "cache:clear", "ok")
    assert not is_given(light, mei)


def test_without_room_for_it_everything_is_made(tmp_path: Path, furnished: Furnished) -> None:
    with (
        fresh_database("sqlite", tmp_path, furnished("sqlite")) as url,
        make_house(url, tmp_path, result_cache_gb=0) as building,
    ):
        mei = building.person("mei")
        made(building, mei)
        assert not is_given(building, mei)
        assert not (tmp_path / "data" / "results").exists()


def test_the_times_of_the_queue_are_learnt_from_what_was_made(light: Building) -> None:
    mei = light.person("mei")
    made(light, mei)
    assert is_given(light, mei)
    assert len(light.studio.store.read(lambda tx: tx.images.recent_times(10))) == 1


@pytest.fixture
def houses(tmp_path: Path, furnished: Furnished, redis_url: str) -> Iterator[tuple[Building, Building]]:
    """Two servers with a disk of their own, one database, one Redis and one key."""
    with fresh_database("sqlite", tmp_path, furnished("sqlite")) as url:
        folders = [tmp_path / "one", tmp_path / "two"]
        for folder in folders:
            (folder / "data").mkdir(parents=True)
            (folder / "data" / "results-key").write_bytes(bytes(range(32)))
        with (
            make_house(url, folders[0], redis_url=redis_url) as one,
            make_house(url, folders[1], redis_url=redis_url) as two,
        ):
            yield one, two
            one.studio.results.clear()


def test_in_redis_it_is_there_for_every_server_until_it_is_deleted(houses: tuple[Building, Building]) -> None:
    one, two = houses
    mei = one.person("mei")
    first = made(one, mei)
    assert is_given(two, mei)
    assert asked(two) == 0
    delete_image(one.studio, mei, pictures(one, mei, first)[0].id, ORIGIN)
    assert not is_given(two, mei)
