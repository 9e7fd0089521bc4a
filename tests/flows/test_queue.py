"""The queue as people meet it: fair, with honest places, and safe with two dispatchers."""

import asyncio
from collections import Counter

import pytest

from app.domain.errors import InvalidRequestError, ServicePausedError, TooManyJobsError
from app.domain.jobs import JobState
from app.domain.ports import EngineState, SlotStatus
from app.flows import queue_control, run
from app.flows.cancel import cancel
from app.flows.jobs import JobView, changes
from app.flows.limits import change_role
from app.flows.recover import recover
from app.flows.submit import submit
from app.flows.users import change_user
from app.flows.watch import Watcher
from app.scheduler.pace import Measured
from tests.houses import ORIGIN, SMALL, Building, another_process


def test_three_members_and_a_hog_each_wait_one_round_and_the_hog_gets_the_idle_time(building: Building) -> None:
    hog = building.person("hog", quota_daily=50)
    for _ in range(50):
        building.click(hog)
    for _ in range(5):
        building.work()
    members = [building.person(name) for name in ("mei", "tom", "ann")]
    jobs = [building.click(member) for member in members]
    assert [building.place(*each) for each in zip(members, jobs, strict=True)] == [1, 2, 3]

    order = [(building.work() or jobs[0]).username for _ in range(48)]

    assert set(order[:4]) == {"hog", "mei", "tom", "ann"}
    assert Counter(order) == {"hog": 45, "mei": 1, "tom": 1, "ann": 1}
    assert building.work() is None
    assert building.quota(hog) == (50, 0)


def test_work_counts_and_not_the_number_of_clicks(light: Building) -> None:
    big, small = light.person("big"), light.person("small")
    for _ in range(3):
        light.click(big, width=512, height=512)
    for _ in range(8):
        light.click(small)
    order = [(light.work() or pytest.fail("nothing to do")).username for _ in range(6)]
    assert Counter(order) == {"big": 2, "small": 4}


def test_roles_share_by_their_weights(light: Building) -> None:
    change_role(light.studio, light.console(), "admin", {"weight": 3}, ORIGIN)
    mei, boss = light.person("mei"), light.person("boss", "admin")
    for actor in (mei, boss):
        for _ in range(9):
            light.click(actor)
    order = [(light.work() or pytest.fail("nothing to do")).username for _ in range(8)]
    assert Counter(order) == {"mei": 2, "boss": 6}


def test_a_changed_weight_and_a_changed_role_order_what_waits_anew(light: Building) -> None:
    boss, mei, tom = light.console(), light.person("mei"), light.person("tom", "admin")
    mine = [light.click(mei) for _ in range(6)]
    his = [light.click(tom) for _ in range(6)]
    assert [light.place(mei, job) for job in mine] == [1, 3, 5, 7, 9, 11]

    change_role(light.studio, boss, "member", {"weight": 100}, ORIGIN)
    assert [light.place(mei, job) for job in mine] == [1, 3, 4, 5, 6, 7]
    change_user(light.studio, boss, "tom", {"role": "member"}, ORIGIN)
    assert [light.place(tom, job) for job in his] == [2, 4, 6, 8, 10, 12]


def test_bulk_work_waits_for_everybodys_clicks(light: Building) -> None:
    mei, tom = light.person("mei"), light.person("tom")
    jobs = [light.click(mei, bulk=True) for _ in range(4)]
    light.work()
    mine = light.click(mei)
    other = light.click(tom)
    # Her bulk work was served a moment ago: the tie goes to him.
    assert (light.place(tom, other), light.place(mei, mine)) == (1, 2)
    assert [light.place(mei, job) for job in jobs] == [None, 3, 4, 5]


def test_places_are_true_after_every_click_claim_and_cancel(building: Building) -> None:
    mei, tom = building.person("mei"), building.person("tom")
    first, second, third = (building.click(mei) for _ in range(3))
    other = building.click(tom)
    assert [building.place(mei, job) for job in (first, second, third)] == [1, 3, 4]
    assert building.place(tom, other) == 2

    claimed = run.claim(building.studio)
    assert claimed is not None
    assert (claimed.id, building.place(mei, first), building.place(tom, other)) == (first.id, None, 1)

    cancel(building.studio, mei, second.id, ORIGIN)
    assert building.place(mei, third) == 2
    assert building.place(mei, second) is None


def test_times_are_told_once_something_was_measured_and_nobody_guesses_before(light: Building) -> None:
    mei = light.person("mei")
    assert light.view(mei, light.click(mei)).eta_seconds is None
    light.studio.pace.learn(256 * 256, Measured(step=2.0, rest=1.0))
    light.studio.line.changed()
    known = light.view(mei, light.click(mei, count=2))
    assert (known.position, known.eta_seconds) == (2, 15)  # 5 seconds for the first, 5 for each of its own two

    claimed = run.claim(light.studio)
    assert claimed is not None
    assert light.view(mei, claimed).eta_seconds == 5
    light.studio.progress.step(claimed.id, mei.user_id, 0, 1)
    assert light.view(mei, claimed).eta_seconds == 3
    light.studio.progress.step(claimed.id, mei.user_id, 0, 1, 10.0)  # its own steps are slower than was known
    assert light.view(mei, claimed).eta_seconds == 10

    queue_control.pause(light.studio, light.console(), ORIGIN)
    paused = light.view(mei, known.job)
    assert (paused.position, paused.eta_seconds) == (1, None)


def test_two_children_are_done_in_half_the_time(light: Building) -> None:
    mei = light.person("mei")
    light.studio.pace.learn(256 * 256, Measured(step=2.0, rest=1.0))
    jobs = [light.click(mei) for _ in range(4)]
    assert light.view(mei, jobs[-1]).eta_seconds == 20
    states = (EngineState.READY, EngineState.READY, EngineState.FAILED)
    light.engine.show(tuple(SlotStatus(name=str(number), state=state) for number, state in enumerate(states)))
    light.studio.line.changed()
    assert light.view(mei, jobs[-1]).eta_seconds == 10


def test_whoever_waits_is_told_when_the_place_changes(light: Building) -> None:
    mei, tom = light.person("mei"), light.person("tom")
    light.click(mei)
    mine = light.click(tom)
    watcher = Watcher(light.studio)

    async def poll() -> JobView:
        news = changes(light.studio, tom, None, ORIGIN)
        waiting = asyncio.ensure_future(light.studio.progress.wait(tom.user_id, news.version, 20))
        await asyncio.sleep(0)
        await asyncio.to_thread(watcher.look)
        news = changes(light.studio, tom, news.rev, ORIGIN)
        await asyncio.to_thread(light.work)
        watcher._next_tell = 0  # noqa: SLF001 - no second is waited for
        waiting = asyncio.ensure_future(light.studio.progress.wait(tom.user_id, news.version, 20))
        await asyncio.sleep(0)
        await asyncio.to_thread(watcher.look)
        assert await waiting
        return changes(light.studio, tom, news.rev, ORIGIN).jobs[0]

    told = asyncio.run(poll())
    assert (told.job.id, told.position) == (mine.id, 1)


def test_the_places_that_were_told_are_the_order_in_which_it_came(building: Building) -> None:
    """Equal jobs tie, and each one who is served goes behind the others: nobody's place ever goes back."""
    people = [building.person(name) for name in ("mei", "tom", "ann")]
    jobs = [(actor, building.click(actor)) for _ in range(3) for actor in people]
    told = sorted(jobs, key=lambda each: building.place(*each) or 0)
    came = []
    for left in range(len(jobs), 0, -1):
        waiting = [each for each in jobs if each[1].id not in came]
        assert sorted(building.place(*each) or 0 for each in waiting) == list(range(1, left + 1))
        came.append((building.work() or pytest.fail("nothing to do")).id)
    assert came == [job.id for _, job in told]


def test_what_was_made_on_an_idle_machine_costs_nobody_a_place_later(building: Building) -> None:
    mei, hog = building.person("mei"), building.person("hog")
    building.click(mei, width=512, height=512, count=4, steps=8)
    building.work()
    for _ in range(20):
        building.click(hog)
    assert building.place(mei, building.click(mei)) == 2


def test_of_a_person_no_more_run_at_once_than_the_role_allows(building: Building) -> None:
    change_role(building.studio, building.console(), "member", {"max_running": 1}, ORIGIN)
    hog, mei = building.person("hog"), building.person("mei")
    for _ in range(3):
        building.click(hog)
    assert (run.claim(building.studio) or pytest.fail("nothing to do")).username == "hog"
    assert run.claim(building.studio) is None
    building.click(mei)
    assert (run.claim(building.studio) or pytest.fail("nothing to do")).username == "mei"


def test_the_limits_of_the_role_hold_from_the_next_click_on_and_say_so(light: Building) -> None:
    light.person("mei", quota_daily="unlimited")
    change_role(light.studio, light.console(), "member", {"max_waiting": 20, "max_count": 2}, ORIGIN)
    mei = light.signed_in("mei")
    for _ in range(20):
        light.click(mei)
    with pytest.raises(InvalidRequestError) as wrong:
        light.click(mei, count=3)
    assert [(each.field, each.params) for each in wrong.value.errors] == [("count", {"min": 1, "max": 2})]
    with pytest.raises(TooManyJobsError) as refused:
        light.click(mei)
    assert refused.value.params == {"limit": 20}
    assert light.quota(mei) == (0, 20)


def test_draining_accepts_and_starts_nothing_and_loses_nothing(light: Building) -> None:
    mei = light.person("mei")
    running, waiting = light.click(mei), light.click(mei)
    known = submit(light.studio, mei, SMALL, origin=ORIGIN, key="again").job
    claimed = run.claim(light.studio)
    assert claimed is not None

    queue_control.drain(light.studio, light.console(), ORIGIN)
    with pytest.raises(ServicePausedError):
        light.click(mei)
    assert submit(light.studio, mei, SMALL, origin=ORIGIN, key="again").job.id == known.id
    run.run(light.studio, claimed)
    assert light.view(mei, running).job.state is JobState.SUCCEEDED
    assert light.work() is None
    assert light.quota(mei) == (1, 2)

    queue_control.resume(light.studio, light.console(), ORIGIN)
    assert (light.work() or pytest.fail("nothing to do")).id == waiting.id


def test_whatever_was_lost_goes_back_in_front_of_its_owners_queue(building: Building) -> None:
    mei, tom = building.person("mei"), building.person("tom")
    first, second = building.click(mei), building.click(mei)
    run.claim(building.studio)
    run.claim(building.studio)
    other = building.click(tom)
    building.clock.turn(seconds=60)
    recover(another_process(building.studio), lost=True)
    building.studio.line.changed()
    assert [building.place(mei, first), building.place(mei, second), building.place(tom, other)] == [1, 3, 2]
    assert (building.work() or pytest.fail("nothing to do")).id == first.id
