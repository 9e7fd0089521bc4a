"""Two children on the CPU against one, each with one thread: the same queue of jobs through the real engine."""

import argparse
import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from app.domain.ports import EngineRequest, EngineState
from app.engine.local import LocalEngine
from scripts.benches.crowd import request_for
from scripts.benches.figures import machine, positive

STEPS: Final = 8
GOAL: Final = 1.8
READY_SECONDS: Final = 300.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--side", type=positive, default=512)
    parser.add_argument("--jobs", type=positive, default=12)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    # The children inherit it.
    os.environ["OMP_NUM_THREADS"] = "1"
    rows = []
    for children in (1, 2):
        requests = [request_for(arguments.side, STEPS) for _ in range(arguments.jobs)]
        seconds = _seconds(",".join(["cpu"] * children), children, requests)
        rows.append({"children": children, "seconds": seconds, "pictures_per_second": arguments.jobs / seconds})
    return {
        "machine": machine(),
        "side": arguments.side,
        "jobs": arguments.jobs,
        "steps": STEPS,
        "rows": rows,
        "ratio": rows[1]["pictures_per_second"] / rows[0]["pictures_per_second"],
        "goal": GOAL,
    }


def table(document: dict[str, Any]) -> str:
    lines = [f"{document['side']} squared, {document['jobs']} jobs", "children  seconds  pictures/s"]
    lines += [
        f"{row['children']:>8}{row['seconds']:>9.1f}{row['pictures_per_second']:>12.3f}" for row in document["rows"]
    ]
    return "\n".join([*lines, f"two : one = {document['ratio']:.2f} (goal {document['goal']})"])


def _seconds(device: str, children: int, requests: Sequence[EngineRequest]) -> float:
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        engine = LocalEngine("demo", "huggingface", device, Path(folder))
        engine.start()
        try:
            _wait_until_ready(engine, children)
            _work(engine, requests[:children], children)  # the first of each child pays for choosing kernels
            begun = time.perf_counter()
            _work(engine, requests, children)
            return time.perf_counter() - begun
        finally:
            engine.stop(2.0)


def _wait_until_ready(engine: LocalEngine, children: int) -> None:
    deadline, pause = time.monotonic() + READY_SECONDS, threading.Event()
    while [slot.state for slot in engine.status().slots] != [EngineState.READY] * children:
        if time.monotonic() > deadline:
            raise SystemExit("the engine did not become ready")
        pause.wait(0.1)


def _work(engine: LocalEngine, requests: Sequence[EngineRequest], at_once: int) -> None:
    line: SimpleQueue[EngineRequest] = SimpleQueue()
    for request in requests:
        line.put(request)

    def take() -> None:
        with contextlib.suppress(Empty):
            while True:
                for _ in engine.run(line.get_nowait()):
                    pass

    threads = [threading.Thread(target=take) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
