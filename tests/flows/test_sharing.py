"""Jobs of different people in the same steps: as many as the engine has room for, and nobody is passed by."""

import threading
from dataclasses import replace

import pytest

from app.domain.jobs import Job, JobState
from app.flows import run
from app.flows.jobs import get_job
from tests.houses import ORIGIN, Building


@pytest.fixture
def roomy(building: Building) -> Building:
    building.engine.most = 4
    return building


def test_the_next_in_line_joins_those_at_the_engine_up_to_its_room(roomy: Building) -> None:
    people = [roomy.person(name) for name in ("mei", "li", "wang")]
    clicks = [roomy.click(person, count=count) for person, count in zip(people, (1, 2, 2), strict=True)]
    first = run.claim(roomy.studio)
    assert first is not None
    second = run.claim(roomy.studio, [first])
    assert second is not None
    assert [first.id, second.id] == [clicks[0].id, clicks[1].id]
    assert run.claim(roomy.studio, [first, second]) is None  # five would be too many
    assert get_job(roomy.studio, people[2], clicks[2].id, ORIGIN).job.state is JobState.QUEUED


@pytest.mark.parametrize("other", [{"width": 512}, {"guidance_scale": 2.0}, {"exact": True}])
def test_one_that_does_not_fit_waits_and_nobody_passes_it_by(roomy: Building, other: dict[str, object]) -> None:
    roomy.click(roomy.person("mei"))
    apart = roomy.click(roomy.person("li"), **other)
    roomy.click(roomy.person("wang"))
    first = run.claim(roomy.studio)
    assert first is not None
    assert run.claim(roomy.studio, [first]) is None
    alone = run.claim(roomy.studio)
    assert alone is not None
    assert alone.id == apart.id


def test_a_job_under_which_the_engine_was_lost_shares_it_with_nobody(roomy: Building) -> None:
    mei = roomy.person("mei")
    lost = roomy.click(mei)
    first = run.claim(roomy.studio)
    assert first is not None
    run.hand_back(roomy.studio, first, lost=True)
    other = roomy.click(mei)
    again = run.claim(roomy.studio)
    assert again is not None
    assert (again.id, again.losses) == (lost.id, 1)
    assert run.claim(roomy.studio, [again]) is None
    run.hand_back(roomy.studio, again, lost=True)
    assert run.claim(roomy.studio, [replace(again, id=other.id, losses=0)]) is None  # it is first, and does not join


def test_an_engine_without_room_is_not_asked_for_more(light: Building) -> None:
    light.click(light.person("mei"))
    light.click(light.person("li"))
    first = run.claim(light.studio)
    assert first is not None
    assert run.claim(light.studio, [first]) is None


def test_jobs_that_run_beside_each_other_are_each_charged_and_kept(roomy: Building) -> None:
    people = [roomy.person(name) for name in ("mei", "li", "wang")]
    clicks = [roomy.click(person) for person in people]
    claimed: list[Job] = []
    for _ in people:
        job = run.claim(roomy.studio, claimed)
        assert job is not None
        claimed.append(job)
    threads = [threading.Thread(target=run.run, args=(roomy.studio, job)) for job in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for person, click in zip(people, clicks, strict=True):
        assert get_job(roomy.studio, person, click.id, ORIGIN).job.state is JobState.SUCCEEDED
        assert roomy.quota(person) == (1, 0)


def test_two_children_have_a_job_each_and_the_third_in_line_waits_for_one_of_them(light: Building) -> None:
    light.engine.slots = 2
    mei, li = light.person("mei"), light.person("li")
    clicks = [light.click(mei), light.click(li, width=512), light.click(mei, height=512)]
    claimed: list[Job] = []
    while (job := run.claim(light.studio, claimed)) is not None:
        claimed.append(job)
    assert {job.id for job in claimed} == {clicks[0].id, clicks[1].id}
    third = run.claim(light.studio, claimed[1:])
    assert third is not None
    assert third.id == clicks[2].id
