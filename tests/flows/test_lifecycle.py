"""Everything that can happen to jobs, in any order: whatever it is, the numbers agree after it."""

import io
from dataclasses import replace

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from PIL import Image

from app.domain.errors import QuotaExceededError, ServicePausedError, TooManyJobsError
from app.domain.jobs import Job, JobState
from app.domain.people import Principal
from app.domain.ports import EngineCancelledError, PictureMade
from app.flows import ending, queue_control, run
from app.flows.cancel import cancel
from app.flows.check import find_differences
from app.flows.limits import change_role, set_budget
from app.flows.pictures import keep, recipe_of
from app.flows.quota_ledger import adjust_quota
from app.flows.recover import Recovery
from app.flows.studio import Studio
from app.flows.users import change_user
from app.scheduler.line import LineCache
from app.scheduler.progress import Progress
from tests.conftest import FULL
from tests.databases import Kind
from tests.engine.fake_engine import FACTS
from tests.houses import ORIGIN, Building

NAMES = ("mei", "tom", "ann")
# What each keeps until it is changed.
QUOTA = 6
EXAMPLES = {"sqlite": 10, "postgresql": 3, "mariadb": 3}


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, "PNG")
    return file.getvalue()


class Lifecycle(RuleBasedStateMachine):
    """One dispatcher that does one small thing at a time, and people and administrators who do what they like."""

    building: Building
    people: dict[str, Principal]
    studio: Studio
    running: dict[str, Job]
    stale: list[Job]

    @initialize()
    def begin(self) -> None:
        """The last example's house, with nothing waiting: a new one would take longer than the example."""
        building = self.building
        self.studio, self.running, self.stale = building.studio, {}, []
        self.boss = building.console()
        building.clock.turn(days=40)
        queue_control.resume(self.studio, self.boss, ORIGIN)
        for name in NAMES:
            change_user(self.studio, self.boss, name, {"quota_daily": QUOTA, "role": "member"}, ORIGIN)
        set_budget(self.studio, self.boss, {"department": "Design", "budget_monthly": 25}, ORIGIN)

    def jobs(self) -> tuple[Job, ...]:
        return self.studio.store.read(lambda tx: tx.jobs.unfinished())

    # People

    @rule(name=st.sampled_from(NAMES), count=st.integers(1, 4), bulk=st.booleans())
    def click(self, name: str, count: int, *, bulk: bool) -> None:
        actor = self.people[name]
        before = self.studio.store.read(lambda tx: tx.quota.day(actor.user_id, self.studio.today().date))
        try:
            self.building.click(actor, count=count, bulk=bulk)
        except (QuotaExceededError, ServicePausedError, TooManyJobsError):
            after = self.studio.store.read(lambda tx: tx.quota.day(actor.user_id, self.studio.today().date))
            assert after == before

    @precondition(lambda self: self.jobs())
    @rule(data=st.data())
    def cancel_one(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.jobs()))
        cancel(self.studio, self.people[job.username], job.id, ORIGIN)
        self.forget(job)

    # The machine

    @rule()
    def claim(self) -> None:
        service = self.studio.store.read(lambda tx: tx.service.get())
        waiting = [job for job in self.jobs() if job.state is JobState.QUEUED]
        job = run.claim(self.studio)
        assert job is None or not service.paused
        assert job is not None or service.paused or not waiting or self.running
        if job is not None:
            self.running[job.id] = job

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def store_a_picture(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.running.values())))
        if missing := self.missing(job):
            keep(self.studio, job, self.made(missing[0]))
        else:
            ending.end(self.studio, job, JobState.SUCCEEDED)
            self.forget(job)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def die_between_the_file_and_its_row(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.running.values())))
        if missing := self.missing(job):
            made = self.made(missing[0])
            self.studio.vault.keep(recipe_of(self.studio, job, made.index), made.png, made.thumbnail, made.facts)
        self.crash()

    @precondition(lambda self: self.running)
    @rule(data=st.data(), code=st.sampled_from(["engine-error", "disk-full", "out-of-memory"]))
    def fail(self, data: st.DataObject, code: str) -> None:
        job = data.draw(st.sampled_from(list(self.running.values())))
        ending.end(self.studio, job, JobState.FAILED, code)
        self.forget(job)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), lost=st.booleans())
    def lose_the_engine(self, data: st.DataObject, *, lost: bool) -> None:
        job = data.draw(st.sampled_from(list(self.running.values())))
        run.hand_back(self.studio, job, lost=lost)
        self.forget(job)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def a_late_result_comes_in(self, data: st.DataObject) -> None:
        """Of an attempt that was cancelled, lost or failed: thrown away, and nothing else is."""
        job = data.draw(st.sampled_from(self.stale))
        if missing := self.missing(job):
            with pytest.raises(EngineCancelledError):
                keep(self.studio, job, self.made(missing[0]))
        ending.end(self.studio, job, JobState.SUCCEEDED)

    @rule()
    def crash(self) -> None:
        """And start again, as another process."""
        self.stale += self.running.values()
        self.running = {}
        self.studio = replace(self.studio, progress=Progress(), line=LineCache(), alone=True)
        Recovery(self.studio)()

    # Administrators, and time

    @rule(verb=st.sampled_from([queue_control.pause, queue_control.drain, queue_control.resume, queue_control.resume]))
    def steer(self, verb: queue_control.Steer) -> None:
        verb(self.studio, self.boss, ORIGIN)

    @rule(hours=st.floats(-30, 30, allow_nan=False))
    def the_clock_jumps(self, hours: float) -> None:
        self.building.clock.turn(hours=hours)

    @rule(name=st.sampled_from(NAMES), quota=st.integers(0, 12))
    def another_quota(self, name: str, quota: int) -> None:
        change_user(self.studio, self.boss, name, {"quota_daily": quota}, ORIGIN)

    @rule(name=st.sampled_from(NAMES), by=st.sampled_from([-5, -1, 1, 3]))
    def more_or_less_today(self, name: str, by: int) -> None:
        adjust_quota(self.studio, self.boss, name, {"amount": by}, ORIGIN)

    @rule(weight=st.integers(1, 5))
    def another_weight(self, weight: int) -> None:
        change_role(self.studio, self.boss, "member", {"weight": weight}, ORIGIN)

    @rule(budget=st.one_of(st.none(), st.integers(0, 40)))
    def another_budget(self, budget: int | None) -> None:
        set_budget(self.studio, self.boss, {"department": "Design", "budget_monthly": budget}, ORIGIN)

    # What holds all the time

    @invariant()
    def everything_agrees(self) -> None:
        """Entries and rows, days and months, pictures in the table, on the disk and charged."""
        assert find_differences(self.building.studio, patience=0) == ()

    @invariant()
    def the_order_is_each_persons_own(self) -> None:
        waiting = [job for job in self.jobs() if job.state is JobState.QUEUED and job.attempt == 0]
        for name in NAMES:
            for bulk in (False, True):
                mine = [job.seq for job in waiting if job.username == name and job.bulk is bulk]
                assert mine == sorted(mine)

    def teardown(self) -> None:
        """Whatever is left is made, and then nothing is held; and every job has ended once."""
        if not hasattr(self, "boss"):
            return
        self.crash()
        queue_control.resume(self.studio, self.boss, ORIGIN)
        while (job := run.claim(self.studio)) is not None:
            for index in self.missing(job):
                keep(self.studio, job, self.made(index))
            ending.end(self.studio, job, JobState.SUCCEEDED)
        assert self.jobs() == ()
        assert find_differences(self.building.studio, patience=0) == ()
        ends = self.studio.store.read(lambda tx: tx.audit.list(action="job:end", limit=200)).items
        subjects = [row.subject for row in ends]
        assert len(subjects) == len(set(subjects))

    # Within

    def forget(self, job: Job) -> None:
        if (mine := self.running.pop(job.id, None)) is not None:
            self.stale.append(mine)
            self.studio.progress.forget(job.id, job.user_id)

    def missing(self, job: Job) -> list[int]:
        made = self.studio.store.read(lambda tx: tx.images.indices(job.id))
        return [index for index in range(job.count) if index not in made]

    @staticmethod
    def made(index: int) -> PictureMade:
        return PictureMade(index=index, seed=0, png=png(), thumbnail=b"small", seconds=0.1, facts=FACTS)


@pytest.mark.timeout(900)
def test_whatever_happens_to_jobs_the_numbers_agree(building: Building, database_kind: Kind) -> None:
    people = {name: building.person(name, department="" if name == "ann" else "Design") for name in NAMES}
    machine = type("Lifecycle", (Lifecycle,), {"building": building, "people": people})
    run_state_machine_as_test(
        machine,
        settings=hypothesis.settings(
            max_examples=EXAMPLES[database_kind] * (20 if FULL else 1), stateful_step_count=30, deadline=None
        ),
    )
    assert find_differences(building.studio, patience=0) == ()
