"""How fair the queue is beside first come first served, how right its promises are, and what a claim costs."""

import argparse
import random
import statistics
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from app.domain.people import Principal
from scripts.benches import databases
from scripts.benches.claims import GOAL_MS, measure_claims
from scripts.benches.figures import jain, machine, percentile, positive
from scripts.benches.house import Rooms, rooms
from scripts.benches.instant import InstantEngine
from scripts.benches.scenario import HOG, Served, arrivals, first_come_first_served, ideal_shares, received
from scripts.benches.stage import WEIGHTS, shares_by_weight, stage

SEED: Final = 20261123
ERRORS: Final = (
    "promises",
    "median_seconds",
    "median_late",
    "median_error",
    "p95_error",
    "median_error_percent",
    "p95_error_percent",
)
PART: Final = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=positive, default=10, help="scenarios to play; default %(default)s")
    parser.add_argument("--people", type=positive, default=20, help="in a scenario; default %(default)s")
    parser.add_argument("--hog", type=positive, default=50, help="jobs that one of them drops; default %(default)s")
    parser.add_argument(
        "--turns", type=positive, default=400, help="jobs for the shares by weight; default %(default)s"
    )
    parser.add_argument("--rows", type=positive, default=100_000, help="waiting jobs at a claim; default %(default)s")
    parser.add_argument("--claims", type=positive, default=300, help="claims of each kind; default %(default)s")
    parser.add_argument("--seed", type=positive, default=SEED, help="of the scenarios; default %(default)s")
    databases.add_argument(parser)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    with rooms(engine=InstantEngine()) as house:
        people = house.actors(arguments.people + len(WEIGHTS))
        ours, fifo = _play(house, people, arguments)
        chance = random.Random(arguments.seed)  # noqa: S311 - the same again with the same seed
        shares = shares_by_weight(stage(house, people[-len(WEIGHTS) :]), chance, arguments.turns)
    return {
        "rounds": arguments.rounds,
        "people": arguments.people,
        "hog_jobs": arguments.hog,
        "machine": machine(),
        "ours": _judge(ours),
        "fifo": _judge(fifo),
        "weights": {
            str(weight): {
                "expected_percent": round(100 * weight / sum(WEIGHTS), 2),
                "percent": round(100 * shares[weight], 2),
            }
            for weight in WEIGHTS
        },
        "eta": {
            "others": _errors(each for scenario in ours for each in scenario if each.click.person != HOG),
            "hog": _errors(each for scenario in ours for each in scenario if each.click.person == HOG),
        },
        "rows": arguments.rows,
        "claims": arguments.claims,
        "claim_goal_ms": GOAL_MS,
        "claim": {kind: measure_claims(kind, arguments.rows, arguments.claims) for kind in arguments.databases},
    }


def table(document: dict[str, Any]) -> str:
    lines = [f"{'':<34}{'ours':>10}{'fifo':>10}"]
    lines += [
        f"{name.replace('_', ' '):<34}{value:>10}{document['fifo'][name]:>10}"
        for name, value in document["ours"].items()
    ]
    lines += [f"\n{'weight':<34}{'percent':>10}{'expected':>10}"]
    lines += [
        f"{weight:<34}{each['percent']:>10}{each['expected_percent']:>10}"
        for weight, each in document["weights"].items()
    ]
    lines += [f"\n{'promised and true end':<34}{'others':>10}{'hog':>10}"]
    hog = document["eta"]["hog"]
    lines += [
        f"{name.replace('_', ' '):<34}{value!s:>10}{hog[name]!s:>10}"
        for name, value in document["eta"]["others"].items()
    ]
    title = f"claim, {document['rows']} waiting"
    lines += [f"\n{title:<34}{'p50 ms':>10}{'p95 ms':>10}{'max ms':>10}{'own CPU':>10}"]
    for kind, found in document["claim"].items():
        for line, each in found.items():
            numbers = "".join(f"{each[name]:>10}" for name in ("p50_ms", "p95_ms", "max_ms", "own_cpu_ms"))
            verdict = "" if each["p95_ms"] <= document["claim_goal_ms"] else "  MISSED"
            name = f"{kind}, {line.replace('_', ' ')}"
            lines.append(f"{name:<34}{numbers}{verdict}")
    return "\n".join(lines)


def _play(
    house: Rooms, people: list[Principal], arguments: argparse.Namespace
) -> tuple[list[list[Served]], list[list[Served]]]:
    """The same clicks through both queues."""
    chance = random.Random(arguments.seed)  # noqa: S311 - as above
    scenarios = [arrivals(chance, arguments.people, arguments.hog) for _ in range(arguments.rounds)]
    ours = [stage(house, people).play(clicks) for clicks in scenarios]
    return ours, [first_come_first_served(clicks) for clicks in scenarios]


def _judge(scenarios: list[list[Served]]) -> dict[str, float]:
    """Waits and ends in seconds; waits are of everybody but the hog, slowdowns of each person in the mean."""
    waits = [each.wait for served in scenarios for each in served if each.click.person != HOG]
    hog = [max(each.ended for each in served if each.click.person == HOG) for served in scenarios]
    found = {
        "jain_of_service": statistics.mean(_jain_of_service(served) for served in scenarios),
        "jain_of_slowdown": statistics.mean(jain(_slowdowns(served, with_hog=True)) for served in scenarios),
        "jain_of_slowdown_without_hog": statistics.mean(
            jain(_slowdowns(served, with_hog=False)) for served in scenarios
        ),
        "mean_slowdown_without_hog": statistics.mean(
            slowdown for served in scenarios for slowdown in _slowdowns(served, with_hog=False)
        ),
        "mean_wait": statistics.mean(waits),
        "p95_wait": percentile(waits, 0.95),
        "worst_wait": max(waits),
        "hog_done_after": statistics.mean(hog),
    }
    return {name: round(value, 3) for name, value in found.items()}


def _jain_of_service(served: list[Served]) -> float:
    """Of what each person got, as a part of what a machine that can be divided would have given, until half of all
    the work was done. That moment is the same for every queue that never rests."""
    clicks = sorted((each.click for each in served), key=lambda each: each.at)
    until = PART * sum(each.seconds for each in clicks)
    got, ideal = received(served, until), ideal_shares(clicks, until)
    return jain([got[person] / seconds for person, seconds in ideal.items() if seconds > 0])


def _slowdowns(served: list[Served], *, with_hog: bool) -> list[float]:
    """How many times longer than on an idle machine it took, for each person."""
    slowdowns: dict[int, list[float]] = defaultdict(list)
    for each in served:
        slowdowns[each.click.person].append(each.slowdown)
    return [statistics.mean(found) for person, found in slowdowns.items() if with_hog or person != HOG]


def _errors(served: Iterable[Served]) -> dict[str, float | None]:
    """Of the promised time until the end. `late` is positive where it took longer than promised."""
    pairs = [(each.promised, each.ended - each.click.at) for each in served if each.promised is not None]
    errors = [actual - promised for promised, actual in pairs]
    absolute, relative = [abs(each) for each in errors], [abs(promised - actual) / actual for promised, actual in pairs]
    if not pairs:
        return dict.fromkeys(ERRORS)
    numbers = (
        len(pairs),
        statistics.median(actual for _, actual in pairs),
        statistics.median(errors),
        statistics.median(absolute),
        percentile(absolute, 0.95),
        100 * statistics.median(relative),
        100 * percentile(relative, 0.95),
    )
    return {name: round(number, 2) for name, number in zip(ERRORS, numbers, strict=True)}
