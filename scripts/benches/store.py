"""How long a click takes in the database when 64 people click once a second, and the first page of a full gallery."""

import argparse
from typing import Any, Final

from scripts.benches import databases
from scripts.benches.clicks import measure_burst, measure_clicks
from scripts.benches.figures import machine, positive
from scripts.benches.full_gallery import measure_gallery
from scripts.benches.house import rooms
from scripts.benches.instant import InstantEngine

CLICK_GOAL_MS: Final = 25.0
GALLERY_GOAL_MS: Final = 60.0
NAMES: Final = {
    "clicks": "click, queue alone",
    "clicks_beside_work": "click, beside a busy machine",
    "burst": "click, all flat out",
    "gallery": "gallery's first page",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=positive, default=64, help="default %(default)s")
    parser.add_argument("--seconds", type=positive, default=20, help="of one click a second each; default %(default)s")
    parser.add_argument("--burst", type=positive, default=5, help="seconds of clicks flat out; default %(default)s")
    parser.add_argument("--pictures", type=positive, default=100_000, help="in the gallery; default %(default)s")
    databases.add_argument(parser)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "people": arguments.people,
        "seconds": arguments.seconds,
        "pictures": arguments.pictures,
        "machine": machine(),
        "click_goal_ms": CLICK_GOAL_MS,
        "gallery_goal_ms": GALLERY_GOAL_MS,
        "databases": {kind: _measure(kind, arguments) for kind in arguments.databases},
    }


def table(document: dict[str, Any]) -> str:
    lines = [f"{'':<42}{'p50 ms':>10}{'p95 ms':>10}{'max ms':>10}{'a second':>10}{'refused':>10}"]
    for kind, found in document["databases"].items():
        for name, each in found.items():
            numbers = "".join(f"{each[column]:>10}" for column in ("p50_ms", "p95_ms", "max_ms"))
            goal = document["gallery_goal_ms" if name == "gallery" else "click_goal_ms"]
            missed = name != "burst" and each["p95_ms"] > goal
            label = f"{kind}: {NAMES[name]}"
            counts = "".join(f"{each.get(column, ''):>10}" for column in ("per_second", "refused"))
            lines.append(f"{label:<42}{numbers}{counts}{'  MISSED' if missed else ''}")
    lines.append(f"{document['people']} people, {document['seconds']} s, {document['pictures']} pictures")
    return "\n".join(lines)


def _measure(kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    with databases.fresh_database(kind) as url, rooms(url, InstantEngine()) as house:
        people = house.actors(arguments.people)
        found = {
            "clicks": measure_clicks(house.studio, people, arguments.seconds, beside_work=False),
            "clicks_beside_work": measure_clicks(house.studio, people, arguments.seconds, beside_work=True),
            "burst": measure_burst(house.studio, people, arguments.burst),
        }
        return found | {"gallery": measure_gallery(house.studio, url, people[0], arguments.pictures)}
