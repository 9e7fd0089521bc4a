"""What one click costs beside the pipeline: from POST /api/v1/jobs until the long poll tells that the picture is there.

For one core: `taskset -c 0 .venv/bin/python scripts/bench click`."""

import argparse
import os
import statistics
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pkgutil import resolve_name
from typing import Any, Final
from unittest.mock import patch

from app.bootstrap import House
from app.domain.people import Origin, Role
from app.flows.studio import console
from app.flows.tokens import create_token
from app.flows.users import create_user
from scripts.benches.figures import machine, positive
from scripts.benches.house import PASSWORD, served, working
from scripts.benches.ready_engine import ReadyEngine
from scripts.benches.spans import Spans, Taken
from scripts.benches.waiting_person import CLIENT, WaitingPerson

GOAL_MS: Final = 120.0
WITHOUT_PNG_GOAL_MS: Final = 25.0
WARM_UP: Final = 3
QUIET_SECONDS: Final = 0.1
REST: Final = "guard, HTTP, threads"
# What is replaced by the same with a watch around it; named, as the web is imported late and in its own way.
WATCHED: Final = (
    ("who is it", "app.web.guard.who_has_token"),
    ("who is it", "app.flows.jobs.role_in"),
    ("submit", "app.flows.submit.submit"),
    ("answer", "app.flows.jobs.get_job"),
    ("claim", "app.flows.run.claim"),
    ("settle", "app.flows.run.keep"),
    ("settle", "app.flows.ending.end"),
    ("write, fsync", "app.storage.vault.write_whole"),
    ("notify", "app.flows.jobs.changes"),
    ("notify", "app.flows.jobs.changes_later"),
)
STAGES: Final = (
    "who is it",
    "submit",
    "answer",
    "claim",
    "png",
    "thumbnail",
    "pipe",
    "write, fsync",
    "settle",
    "notify",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=positive, default=30, help="clicks; default %(default)s")
    parser.add_argument("--side", type=positive, default=1024, help="of the square picture; default %(default)s")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    spans = Spans()
    engine = ReadyEngine(arguments.side, spans)
    with working(engine) as house, served(house.studio) as port, _watched(spans):
        person = WaitingPerson(port, _token(house), spans)
        clicks = [_click(person, spans, arguments.side) for _ in range(WARM_UP + arguments.rounds)][WARM_UP:]
    return {
        "machine": machine() | {"cores_used": len(os.sched_getaffinity(0))},
        "rounds": arguments.rounds,
        "side": arguments.side,
        "png_bytes": engine.png_bytes,
        "goal_ms": GOAL_MS,
        "without_png_goal_ms": WITHOUT_PNG_GOAL_MS,
        **{name: _middle(clicks, name) for name in ("total", "without_png")},
        "stages": {name: _middle(clicks, name) for name in (*STAGES, REST)},
    }


def table(document: dict[str, Any]) -> str:
    lines = [f"{'one click, ms':<36}{'wall':>8}{'own CPU':>9}{'goal':>7}"]
    for label, name, goal in (
        ("everything but the pipeline", "total", "goal_ms"),
        ("the same without PNG", "without_png", "without_png_goal_ms"),
    ):
        found = document[name]
        missed = "  MISSED" if found["wall_ms"] > document[goal] else ""
        lines.append(f"{label:<36}{found['wall_ms']:>8.1f}{found['own_ms']:>9.1f}{document[goal]:>7.0f}{missed}")
    for name, found in document["stages"].items():
        wall = "" if found["wall_ms"] is None else f"{found['wall_ms']:.1f}"
        lines.append(f"  {name:<34}{wall:>8}{found['own_ms']:>9.1f}")
    size = f"{document['side']}², PNG of {document['png_bytes'] / 1e6:.2f} MB"
    lines.append(f"medians of {document['rounds']} clicks, {size}, {document['machine']['cores_used']} cores used")
    return "\n".join(lines)


def _token(house: House) -> str:
    studio = house.studio
    operator = console(studio.clock.now())
    studio.store.write(lambda tx: tx.roles.change(Role.MEMBER, {"jobs_per_minute": 1_000_000}))
    body = {"username": "ann", "password": PASSWORD, "role": "member", "must_change": False}
    create_user(studio, operator, body | {"quota_daily": "unlimited"}, Origin())
    return create_token(studio, operator, "ann", {"name": "bench", "expires_days": 1}, Origin()).token


@contextmanager
def _watched(spans: Spans) -> Iterator[None]:
    with ExitStack() as stack:
        for name, target in WATCHED:
            stack.enter_context(patch(target, spans.around(name, resolve_name(target))))
        yield


def _click(person: WaitingPerson, spans: Spans, side: int) -> dict[str, Taken]:
    """Seconds by stage; the long poll is open before the click, as a page's."""
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(person.wait_for_end)
        threading.Event().wait(QUIET_SECONDS)
        spans.take()
        spans.go_on()
        person.click({"prompt": "a lighthouse at dusk, oil on canvas", "width": side, "height": side})
        told.result()
        spans.halt()
    whole, stages = spans.take()
    whole.own -= stages[CLIENT].own  # a browser runs on another machine
    named = {name: stages.get(name, Taken()) for name in STAGES}
    rest = Taken(own=whole.own - sum(each.own for each in named.values()))
    png = named["png"]
    return named | {REST: rest, "total": whole, "without_png": Taken(whole.wall - png.wall, whole.own - png.own)}


def _middle(clicks: list[dict[str, Taken]], name: str) -> dict[str, float | None]:
    """The rest has no time by the clock: it lies between the others, or beside them."""
    wall = statistics.median(1000 * click[name].wall for click in clicks)
    own = statistics.median(1000 * click[name].own for click in clicks)
    return {"wall_ms": None if name == REST else round(wall, 2), "own_ms": round(own, 2)}
