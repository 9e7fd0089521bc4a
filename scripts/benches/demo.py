"""How well the demo model obeys held-out prompts in both languages, and how long its pictures take."""

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.engine.core.devices import pick_device
from app.engine.core.loader import load_pipeline
from app.engine.core.models import DEMO
from scripts.benches.figures import machine, positive
from scripts.demo import scoring


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, default=DEMO)
    parser.add_argument("--pictures", type=positive, default=60, help="of each size")
    parser.add_argument("--sizes", nargs="+", type=_size, default=scoring.SIZES, help="as 640x384, width first")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    pipeline = load_pipeline(arguments.model, pick_device("cpu"))
    rows = []
    for height, width in arguments.sizes:
        begun = time.perf_counter()
        score = scoring.score(pipeline, arguments.pictures, height, width)
        seconds = (time.perf_counter() - begun) / arguments.pictures
        rows.append({"width": width, "height": height, "seconds": seconds, **asdict(score)})
    return {"machine": machine(), "steps": scoring.STEPS, "rows": rows}


def table(document: dict[str, Any]) -> str:
    lines = ["  width height  pictures  background  colour   shape     off  longer  s/picture"]
    lines += [
        f"{row['width']:>7}{row['height']:>7}{row['pictures']:>10}{row['background']:>12.1%}{row['colour']:>8.1%}"
        f"{row['shape']:>8.1%}{row['off']:>8.2%}{row['longer']:>+8.1%}{row['seconds']:>11.2f}"
        for row in document["rows"]
    ]
    return "\n".join(lines)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(height), int(width)
