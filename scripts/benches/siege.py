"""A server that is killed again and again while people use it, started again on the same folder each time."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.bootstrap import House, build, make_folders, prepare
from app.domain.people import Origin, Role
from app.flows.studio import console
from app.flows.tokens import create_token
from app.flows.users import create_user
from app.settings import Settings, load
from scripts.benches.besiegers import Besieger, Manners, answers
from scripts.benches.programs import LOG, Program, Server, fake_program, real_program
from scripts.benches.verdict import Verdict, judge

PASSWORD: Final = "a password of the siege"  # noqa: S105 - of accounts that live for a moment
PEOPLE: Final = ("ann", "bob", "cleo", "dan")
PATIENCE: Final = 120.0
READY: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`real` is the whole program with the demo model, else its engine is a fake.

    A kill comes up to `longest` seconds after the server is ready.
    """

    rounds: int
    seed: int
    longest: float
    manners: Manners
    real: bool = False
    tell: Callable[[str], None] = print


FAST: Final = Manners(pause=0.1, steps=3, count=3)
SLOW: Final = Manners(pause=1.5, steps=2, count=2)


@dataclass(slots=True)
class Siege:
    """What has happened: the moments of the kills, how long the starts took, and what was found at the end."""

    kills: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)


def besiege(folder: Path, plan: Plan) -> Siege:
    """Kill and start the server as planned, let it finish what it has accepted, and look at what it leaves."""
    port, siege = _free_port(), Siege()
    with _house(folder) as house, _program(folder, plan, port) as program:
        people = _people(house, port, plan)
        for person in people:
            person.start()
        try:
            _kill_again_and_again(program, plan, port, siege)
        finally:
            for person in people:
                person.leave()
        with _server(program, port, siege.starts) as server:
            # Whoever had sent a click when the server died has not seen an answer; now there is one.
            for person in people:
                person.ask_again()
            _wait_for(lambda: not house.studio.store.read(lambda tx: tx.jobs.unfinished(limit=1)))
            code = server.stop()
        siege.verdict = judge(house.studio, folder, people)
        if code:
            siege.verdict.wrong.append(f"the last server ended with {code}")
    return siege


def _kill_again_and_again(program: Program, plan: Plan, port: int, siege: Siege) -> None:
    chance = random.Random(plan.seed)  # noqa: S311 - the same moments again with the same seed
    for number in range(1, plan.rounds + 1):
        with _server(program, port, siege.starts) as server:
            moment = chance.uniform(0, plan.longest)
            threading.Event().wait(moment)
            server.kill()
        siege.kills.append(moment)
        plan.tell(f"round {number}: ready after {siege.starts[-1]:.1f} s, killed {moment:.3f} s later")


@contextmanager
def _house(folder: Path) -> Iterator[House]:
    """The same database as the server's, to prepare and to judge it; nothing of it runs."""
    settings = _settings(folder)
    make_folders(settings)
    house = build(settings)
    prepare(house, settings)
    try:
        yield house
    finally:
        house.close()


def _settings(folder: Path) -> Settings:
    return load(**_folders(folder), database_url="", redis_url="", model="demo", admin_password=PASSWORD)


def _folders(folder: Path) -> dict[str, str]:
    return {name: str(folder / name.partition("_")[0]) for name in ("data_dir", "outputs_dir", "models_dir")}


def _people(house: House, port: int, plan: Plan) -> list[Besieger]:
    studio, people = house.studio, []
    operator = console(studio.clock.now())
    studio.store.write(lambda tx: tx.roles.change(Role.MEMBER, {"jobs_per_minute": 100_000}))
    for number, name in enumerate(PEOPLE):
        body = {"username": name, "password": PASSWORD, "role": "member", "must_change": False}
        create_user(studio, operator, body | {"quota_daily": "unlimited"}, Origin())
        token = create_token(studio, operator, name, {"name": "siege", "expires_days": 1}, Origin()).token
        people.append(Besieger(port, token, random.Random(f"{plan.seed}/{number}"), plan.manners))  # noqa: S311
    return people


@contextmanager
def _program(folder: Path, plan: Plan, port: int) -> Iterator[Program]:
    flags = [part for name, path in _folders(folder).items() for part in (f"--{name.replace('_', '-')}", path)]
    kind = real_program if plan.real else fake_program
    with kind(folder, [*flags, "--port", str(port)]) as program:
        yield program


@contextmanager
def _server(program: Program, port: int, starts: list[float]) -> Iterator[Server]:
    """One run, which is ready."""
    server = program.start()
    try:
        starts.append(_until_ready(server, port))
        yield server
    finally:
        if not server.ended():
            server.kill()


def _until_ready(server: Server, port: int) -> float:
    began = time.monotonic()

    def ready() -> bool:
        if server.ended():
            raise SystemExit(f"the server ended by itself; {LOG} tells why")
        return answers(port, "/readyz") == READY

    _wait_for(ready)
    return time.monotonic() - began


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("waited in vain")
        pause.wait(0.05)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
