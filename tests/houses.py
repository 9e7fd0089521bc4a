"""A whole house for a test: real database, real files, the fake engine, a clock that the test turns."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from app.bootstrap import House, build, is_unused, make_folders, prepare
from app.domain.jobs import Job
from app.domain.people import Origin, Principal
from app.flows import run
from app.flows.identify import who_has_session
from app.flows.jobs import JobView, get_job
from app.flows.recall import Recall
from app.flows.sign_in import sign_in
from app.flows.studio import Studio, console
from app.flows.submit import submit
from app.flows.users import create_user
from app.scheduler.line import LineCache
from app.scheduler.pace import Pace
from app.scheduler.progress import Progress
from app.scheduler.wishes import Wishes
from app.settings import load
from tests.engine.fake_engine import FakeEngine

PASSWORD = "correct horse battery"
ORIGIN = Origin(ip_address="127.0.0.1", request_id="test", user_agent="pytest")
SMALL: Mapping[str, object] = {"prompt": "a red circle", "width": 256, "height": 256, "steps": 2}


class TurnedClock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def turn(self, **by: float) -> None:
        self.moment += timedelta(**by)


@dataclass(frozen=True)
class Building:
    """The house, its studio with the turned clock, and shortcuts."""

    house: House
    studio: Studio
    engine: FakeEngine
    clock: TurnedClock
    outputs: Path

    def person(self, name: str, role: str = "member", **fields: object) -> Principal:
        """A new account, signed in."""
        body = {"username": name, "password": PASSWORD, "role": role, "must_change": False, **fields}
        create_user(self.studio, self.console(), body, ORIGIN)
        return self.signed_in(name)

    def signed_in(self, name: str) -> Principal:
        actor = who_has_session(self.studio, sign_in(self.studio, name, PASSWORD, ORIGIN))
        assert actor is not None
        return actor

    def console(self) -> Principal:
        return console(self.clock.now())

    def click(self, actor: Principal, **fields: object) -> Job:
        return submit(self.studio, actor, {**SMALL, **fields}, origin=ORIGIN).job

    def work(self) -> Job | None:
        """Claim one job and run it to its end, as the dispatcher would."""
        job = run.claim(self.studio)
        if job is not None:
            run.run(self.studio, job)
        return job

    def recall(self) -> None:
        """Give what was made before to whoever waits for it, as the thread for that would after a start."""
        Recall(self.studio)()

    def view(self, actor: Principal, job: Job) -> JobView:
        """The job as its owner sees it now."""
        return get_job(self.studio, actor, job.id, ORIGIN)

    def place(self, actor: Principal, job: Job) -> int | None:
        return self.view(actor, job).position

    def quota(self, actor: Principal) -> tuple[int, int]:
        day = self.studio.today()
        row = self.studio.store.read(lambda tx: tx.quota.day(actor.user_id, day.date))
        return row.used, row.reserved

    def actions(self) -> list[tuple[str, str, str]]:
        """(actor, action, outcome) of the whole audit trail, oldest first."""
        rows = self.studio.store.read(lambda tx: tx.audit.list(limit=200)).items
        return [(row.actor, row.action, row.outcome) for row in reversed(rows)]


def another_process(studio: Studio) -> Studio:
    """On the same database, with nothing in its memory."""
    return replace(studio, progress=Progress(), line=LineCache(), pace=Pace(), wishes=Wishes(), alone=False)


@contextmanager
def make_house(database_url: str, folder: Path, **settings: object) -> Iterator[Building]:
    """Migrated and ready; the dispatcher does not run, the test does its work."""
    outputs = folder / "outputs"
    given = {
        "database_url": database_url,
        "data_dir": folder / "data",
        "outputs_dir": outputs,
        "models_dir": folder / "models",
        "timezone": "UTC",
        "admin_password": PASSWORD,
        **settings,
    }
    loaded = load(**given)
    make_folders(loaded)
    engine, clock = FakeEngine(), TurnedClock()
    house = build(loaded, engine=engine)
    # A database that was copied has its tables; looking at them again would take longer than most tests.
    with nullcontext() if is_unused(house) else patch("app.bootstrap.upgrade"):
        prepare(house, loaded)
    engine.start()
    try:
        yield Building(house, replace(house.studio, clock=clock), engine, clock, outputs)
    finally:
        engine.stop(1)
        house.leadership.release()
        house.close()
