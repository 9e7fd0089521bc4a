"""A whole house in a temporary folder, whose limits and waits never get in the way of a measurement."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from unittest.mock import create_autospec

import uvicorn

from app.auth.rates import Rates
from app.bootstrap import House, build, make_folders, prepare
from app.domain.people import Origin, Principal, Role
from app.domain.ports import Engine
from app.flows.studio import Studio, console
from app.flows.users import create_user
from app.settings import load
from app.store.transaction import Transaction

PASSWORD: Final = "a password of the bench"  # noqa: S105 - of accounts that live for a moment


class LeapingClock:
    """Every `turn` is longer than any wait after wrong passwords."""

    def __init__(self) -> None:
        self._moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._moment

    def turn(self) -> None:
        self._moment += timedelta(hours=2)

    def set(self, moment: datetime) -> None:
        self._moment = moment


@dataclass(frozen=True, slots=True)
class Rooms:
    """The house's studio, with its clock."""

    studio: Studio
    clock: LeapingClock

    def members(self, count: int) -> list[str]:
        """The names of new accounts."""
        names = [f"member{number}" for number in range(count)]
        for name in names:
            body = {"username": name, "password": PASSWORD, "role": "member", "must_change": False}
            create_user(self.studio, console(self.clock.now()), body | {"quota_daily": "unlimited"}, Origin())
        return names

    def actors(self, count: int) -> list[Principal]:
        """New accounts, as somebody who is signed in; the role lets them have as much waiting as they like."""

        def work(tx: Transaction) -> list[Principal]:
            tx.roles.change(Role.MEMBER, {"max_waiting": 1_000_000, "jobs_per_minute": 1_000_000})
            accounts = [tx.users.by_name(name) for name in names]
            return [Principal(user=each.user, limits=each.limits) for each in accounts if each is not None]

        names = self.members(count)
        return self.studio.store.write(work)


@contextmanager
def rooms(database_url: str = "", engine: Engine | None = None) -> Iterator[Rooms]:
    """Migrated and ready; no dispatcher runs, and no engine but the given one."""
    with _built(database_url, engine) as house:
        clock = LeapingClock()
        # Does nothing, whatever it is asked: the work is measured, not its limits.
        no_rates = create_autospec(Rates, instance=True)
        yield Rooms(replace(house.studio, clock=clock, rates=no_rates), clock)


@contextmanager
def working(engine: Engine) -> Iterator[House]:
    """The same with the real clock, the real rates and a dispatcher at work."""
    with _built("", engine) as house:
        house.start()
        try:
            yield house
        finally:
            house.stop()


@contextmanager
def _built(database_url: str, engine: Engine | None) -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        places = {name: Path(folder) / name for name in ("data_dir", "outputs_dir", "models_dir")}
        settings = load(
            **places, database_url=database_url, redis_url="", timezone="UTC", model="demo", admin_password=PASSWORD
        )
        make_folders(settings)
        house = build(settings, engine=engine)
        prepare(house, settings)
        try:
            yield house
        finally:
            house.close()


@contextmanager
def served(studio: Studio) -> Iterator[int]:
    """The whole web application on the port of a real socket, in a thread of this process."""
    from app.cli.serve import prepare_environment
    from app.web.quick_import import without_interface_files

    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        prepare_environment(Path(folder))
        with without_interface_files():
            from app.web.server import build_app

        app = build_app(studio, root_path="", trusted_proxies="")
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        # Named as TCP, or asyncio leaves Nagle's algorithm on and every answer waits 40 ms for an acknowledgement.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
            bound.bind(("127.0.0.1", 0))
            bound.listen()
            thread = threading.Thread(target=server.run, args=([bound],), name="web")
            thread.start()
            try:
                yield bound.getsockname()[1]
            finally:
                server.should_exit = True
                thread.join()
