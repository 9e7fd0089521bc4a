"""The result cache: who asked for the same before has the picture again, as an own one, for nothing by default."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.errors import NotPermittedError, QuotaExceededError
from app.domain.jobs import JobState
from app.domain.results import TILED
from app.flows.check import find_differences
from app.flows.gallery import delete_image
from app.flows.queue_control import view_queue
from app.flows.recover import Recovery
from app.flows.results import clear_results
from app.flows.users import change_user
from app.flows.views import job_json, queue_json
from tests.databases import fresh_database
from tests.engine.fake_engine import FACTS
from tests.flows.conftest import Furnished
from tests.flows.giving import SEED, asked, is_given, made, pictures, pixels
from tests.houses import ORIGIN, Building, make_house


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


def test_as_many_a_day_are_free_as_may_be_made(light: Building) -> None:
    mei = light.person("mei", quota_daily=3)
    made(light, mei)
    charged = []
    for _ in range(5):
        job = light.click(mei, seed=SEED)
        light.recall()
        charged += [each.charged for each in pictures(light, mei, job)]
    assert charged == [False, False, False, True, True]
    assert light.quota(mei) == (3, 0)
    assert find_differences(light.studio, patience=0) == ()
    with pytest.raises(QuotaExceededError):
        light.click(mei, seed=SEED)
    light.clock.turn(days=1)
    assert is_given(light, light.signed_in("mei"))


def test_what_was_decoded_in_tiles_is_made_again(light: Building) -> None:
    mei = light.person("mei")
    light.engine.facts = {**light.engine.facts, TILED: "in tiles"}
    made(light, mei)
    assert not is_given(light, mei)


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


def test_a_damaged_copy_is_made_anew(light: Building) -> None:
    mei = light.person("mei")
    first = made(light, mei)
    (file,) = (light.outputs.parent / "data" / "results").iterdir()
    file.write_bytes(file.read_bytes()[:-100] + bytes(100))
    assert not is_given(light, mei)
    assert asked(light) == 2
    assert is_given(light, mei)
    assert len(set(pixels(light, mei, first))) == 1


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
