"""How long a wrong login takes for a known and for an unknown name: nobody may read one from the other."""

import argparse
import http.client
import itertools
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import urlencode

from scripts.benches.house import Rooms, rooms, served

NAMES: Final = 10
WRONG: Final = "not the right password"
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
REFUSED: Final = 401
TOLERANCE: Final = 0.2  # ASVS 5.0, 6.3.8, as the project reads it
Try = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Spread:
    median_ms: float
    p95_ms: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=_positive, default=100, help="wrong logins of each kind; default %(default)s")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    rounds: int = arguments.rounds
    with rooms() as house:
        known = house.members(NAMES)
        flow = _compare(house, known, _by_flow(house), rounds)
        with served(house.studio) as port:
            page = _compare(house, known, _by_page(port), rounds)
    return {
        "rounds": rounds,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.machine()},
        "flow": flow,
        "http": page,
        "within_20_percent": flow["within_20_percent"] and page["within_20_percent"],
    }


def table(document: dict[str, Any]) -> str:
    lines = [f"{'wrong login, ms':<22}{'known':>16}{'unknown':>16}{'ratio':>8}  within 20 %"]
    for key, name in (("flow", "flows.sign_in"), ("http", "POST /login")):
        found = document[key]
        spreads = "".join(
            f"{found[kind]['median_ms']:>7.1f} / {found[kind]['p95_ms']:>6.1f}" for kind in ("known", "unknown")
        )
        verdict = "yes" if found["within_20_percent"] else "NO"
        lines.append(f"{name:<22}{spreads}{found['ratio']:>8.3f}  {verdict}")
    machine = document["machine"]
    lines.append(f"median / 95th percentile of {document['rounds']} rounds, {machine['cores']} cores")
    return "\n".join(lines)


def _compare(house: Rooms, known: list[str], attempt: Try, rounds: int) -> dict[str, Any]:
    """Both kinds take turns at going first; the first round of each only warms up."""
    taken: dict[str, list[float]] = {"known": [], "unknown": []}
    names = {"known": itertools.cycle(known), "unknown": itertools.cycle(f"{name}-not" for name in known)}
    for number in range(rounds + 1):
        house.clock.turn()
        kinds = ("known", "unknown") if number % 2 else ("unknown", "known")
        for kind in kinds:
            name = next(names[kind])
            began = time.perf_counter()
            attempt(name)
            if number:
                taken[kind].append(1000 * (time.perf_counter() - began))
    spreads = {kind: _spread(times) for kind, times in taken.items()}
    ratio = spreads["unknown"].median_ms / spreads["known"].median_ms
    return {
        **{kind: asdict(spread) for kind, spread in spreads.items()},
        "ratio": round(ratio, 4),
        "within_20_percent": abs(ratio - 1) <= TOLERANCE,
    }


def _by_flow(house: Rooms) -> Try:
    from app.domain.errors import SignInFailedError
    from app.domain.people import Origin
    from app.flows.sign_in import sign_in

    def attempt(name: str) -> None:
        try:
            sign_in(house.studio, name, WRONG, Origin(ip_address="127.0.0.1"))
        except SignInFailedError:
            return
        raise SystemExit("a wrong password was taken")

    return attempt


def _by_page(port: int) -> Try:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def attempt(name: str) -> None:
        connection.request("POST", "/login", urlencode({"username": name, "password": WRONG}), FORM)
        answer = connection.getresponse()
        answer.read()
        if answer.status != REFUSED:
            raise SystemExit(f"POST /login answered {answer.status}")

    return attempt


def _spread(times: list[float]) -> Spread:
    nearest_rank = sorted(times)[math.ceil(0.95 * len(times)) - 1]
    return Spread(round(statistics.median(times), 3), round(nearest_rank, 3))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
