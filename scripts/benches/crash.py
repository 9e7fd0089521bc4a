"""A server that is killed again and again while four people click, repeat and cancel: what is wrong afterwards."""

import argparse
import functools
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from scripts.benches.figures import machine, positive
from scripts.benches.siege import FAST, SLOW, Plan, besiege

LONGEST: Final = {False: 1.5, True: 3.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=positive, default=100, help="kills; default %(default)s")
    parser.add_argument("--seed", type=positive, help="the moments of an earlier run again")
    parser.add_argument("--real", action="store_true", help="the whole program with the demo model, not a fake engine")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    seed: int = arguments.seed or random.SystemRandom().randrange(1, 10**6)
    real: bool = arguments.real
    plan = Plan(
        real=real,
        rounds=arguments.rounds,
        seed=seed,
        longest=LONGEST[real],
        manners=SLOW if real else FAST,
        tell=functools.partial(print, file=sys.stderr),
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="atelier-siege-") as folder:
        siege = besiege(Path(folder), plan)
    return {
        "rounds": plan.rounds,
        "seed": seed,
        "real": real,
        "machine": machine(),
        "seconds": round(time.monotonic() - began, 1),
        "longest_start_seconds": round(max(siege.starts), 2),
        "counts": siege.verdict.counts,
        "wrong": siege.verdict.wrong,
    }


def table(document: dict[str, Any]) -> str:
    lines = [f"{name.replace('_', ' '):<16}{number:>8}" for name, number in document["counts"].items()]
    lines.append(f"{document['rounds']} kills in {document['seconds']:.0f} s, seed {document['seed']}")
    return "\n".join([*lines, *(f"WRONG: {each}" for each in document["wrong"] or ())]) + (
        "" if document["wrong"] else "\nnothing is wrong"
    )
