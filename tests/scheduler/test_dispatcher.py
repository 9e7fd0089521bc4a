"""The loop that owns the queue, without any queue."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.domain.errors import UnavailableError
from app.domain.jobs import Job
from app.scheduler import dispatcher as dispatcher_module
from app.scheduler.dispatcher import Dispatcher, Duties
from tests.engine.waiting import wait_for


class Desk:
    """Notes what the dispatcher calls; each switch is one way in which the world can be."""

    def __init__(self) -> None:
        self.leads = True
        self.ready = True
        self.database_is_away = False
        self.waiting: list[Any] = []
        self.done: list[Any] = []
        self.recoveries = 0
        self.looks = 0
        self.reaps = 0
        self.most = 1

    def claim(self, at_engine: Sequence[Job]) -> Job | None:
        if self.database_is_away:
            raise UnavailableError
        if len(at_engine) >= self.most:
            return None
        return self.waiting.pop(0) if self.waiting else None

    def recover(self) -> None:
        self.recoveries += 1

    def reap(self) -> None:
        self.reaps += 1

    def watch(self) -> None:
        self.looks += 1

    def duties(self) -> Duties:
        return Duties(
            leads=lambda: self.leads,
            recover=self.recover,
            reap=self.reap,
            ready=lambda: self.ready,
            claim=self.claim,
            run=lambda job, _: self.done.append(job),
            watch=self.watch,
        )


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(dispatcher_module, "AFTER_ERROR_SECONDS", 0.01)
    monkeypatch.setattr(dispatcher_module, "REAP_SECONDS", 0.05)


def started(desk: Desk, **other: Any) -> Dispatcher:  # noqa: ANN401 - any duty
    made = Dispatcher(replace(desk.duties(), **other))
    made.start()
    return made


def stopped(made: Dispatcher) -> None:
    made.stop_claiming()
    made.join(5)


def test_jobs_run_one_after_the_other_after_one_recovery() -> None:
    desk = Desk()
    desk.waiting = ["a", "b", "c"]
    made = started(desk)
    wait_for(lambda: desk.done == ["a", "b", "c"])
    stopped(made)
    assert desk.recoveries == 1


def test_nothing_is_claimed_while_the_engine_is_not_ready() -> None:
    desk = Desk()
    desk.ready, desk.waiting = False, ["a"]
    made = started(desk)
    wait_for(lambda: desk.recoveries == 1)
    assert desk.waiting == ["a"]
    desk.ready = True
    made.wake()
    wait_for(lambda: desk.done == ["a"])
    stopped(made)


def test_whoever_does_not_lead_touches_nothing_and_clears_up_once_it_does() -> None:
    desk = Desk()
    desk.leads, desk.waiting = False, ["a"]
    made = started(desk)
    wait_for(lambda: desk.looks > 2)
    assert (desk.recoveries, desk.waiting) == (0, ["a"])
    desk.leads = True
    wait_for(lambda: desk.done == ["a"])
    stopped(made)
    assert desk.recoveries == 1


def test_a_dead_database_stops_nothing_for_ever_and_is_followed_by_a_recovery() -> None:
    desk = Desk()
    desk.database_is_away, desk.waiting = True, ["a"]
    made = started(desk)
    wait_for(lambda: desk.recoveries >= 2)
    assert (desk.done, desk.waiting) == ([], ["a"])
    desk.database_is_away = False
    wait_for(lambda: desk.done == ["a"])
    stopped(made)


def test_stopping_waits_for_the_running_job_and_starts_no_other() -> None:
    desk, running, go_on = Desk(), threading.Event(), threading.Event()
    desk.waiting = ["a", "b"]

    def run(job: Any, _: object) -> None:  # noqa: ANN401 - a stand-in for a job
        running.set()
        go_on.wait(5)
        desk.done.append(job)

    made = started(desk, run=run)
    running.wait(5)
    made.stop_claiming()
    go_on.set()
    made.join(5)
    assert (desk.done, desk.waiting) == (["a"], ["b"])


def test_the_next_job_begins_once_the_engine_is_free_while_the_last_one_is_still_being_settled() -> None:
    desk, settle = Desk(), threading.Event()
    desk.waiting = ["a", "b", "c"]
    begun: list[Any] = []

    def run(job: Any, on_steps_done: Callable[[], None]) -> None:  # noqa: ANN401 - as above
        begun.append(job)
        if job == "a":
            on_steps_done()
            settle.wait(5)
        elif job == "b":
            settle.wait(5)

    made = started(desk, run=run)
    wait_for(lambda: begun == ["a", "b"])
    assert desk.waiting == ["c"]
    settle.set()
    wait_for(lambda: begun == ["a", "b", "c"])
    stopped(made)


def test_as_many_jobs_are_at_the_engine_as_the_claim_finds_room_for() -> None:
    desk, leave = Desk(), threading.Event()
    desk.waiting, desk.most = list("abcdef"), 4
    begun: list[Any] = []

    def run(job: Any, on_steps_done: Callable[[], None]) -> None:  # noqa: ANN401 - as above
        begun.append(job)
        leave.wait(5)
        on_steps_done()

    made = started(desk, run=run)
    wait_for(lambda: begun == list("abcd"))
    looks = desk.looks
    wait_for(lambda: desk.looks > looks + 3)
    assert desk.waiting == ["e", "f"]
    leave.set()
    wait_for(lambda: sorted(begun) == list("abcdef"))
    stopped(made)


def test_jobs_that_cannot_be_settled_hold_up_the_queue_before_they_pile_up() -> None:
    desk, settle = Desk(), threading.Event()
    desk.waiting = list("abcdefgh")

    def run(job: Any, on_steps_done: Callable[[], None]) -> None:  # noqa: ANN401 - as above
        on_steps_done()
        settle.wait(5)
        desk.done.append(job)

    made = started(desk, run=run)
    wait_for(lambda: len(desk.waiting) == 8 - dispatcher_module.MAX_UNSETTLED)
    looks = desk.looks
    wait_for(lambda: desk.looks > looks + 3)
    assert len(desk.waiting) == 8 - dispatcher_module.MAX_UNSETTLED
    settle.set()
    wait_for(lambda: sorted(desk.done) == list("abcdefgh"))
    stopped(made)


def test_a_job_whose_end_finds_no_database_is_followed_by_a_recovery_before_the_next() -> None:
    desk, begun, known = Desk(), threading.Event(), threading.Event()
    desk.waiting = ["a", "b", "c"]
    story: list[Any] = []

    def run(job: Any, on_steps_done: Callable[[], None]) -> None:  # noqa: ANN401 - as above
        if job == "a":
            on_steps_done()
            begun.wait(20)
            raise UnavailableError
        if job == "b":  # begun before anybody knew of the trouble
            begun.set()
            known.wait(20)
        on_steps_done()
        story.append(job)

    def recover() -> None:
        story.append("recovery")

    made = started(desk, run=run, recover=recover)
    assert begun.wait(20)
    wait_for(lambda: not made.is_clear)
    known.set()
    wait_for(lambda: "c" in story)
    stopped(made)
    assert story == ["recovery", "b", "recovery", "c"]
