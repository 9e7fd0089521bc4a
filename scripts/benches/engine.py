"""Pictures a second of the engine against a plain ZImagePipeline loop that also encodes and saves, in one run."""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from app.domain.ports import EngineRequest
from app.engine.core import profiles
from app.engine.core.captions import CaptionEncoder
from app.engine.core.devices import Device, pick_device
from app.engine.core.loader import load_pipeline
from app.engine.core.models import DEMO
from app.engine.core.untyped import ZImagePipeline
from scripts.benches import big_model, operations
from scripts.benches.crowd import request_for
from scripts.benches.figures import machine, positive
from scripts.benches.own_engine import OwnEngine
from scripts.benches.stages import STEPS, measure_stages

DEMO_WEIGHTS: Final = "demo"
FULL_SIZE: Final = "random-full-size"
CROWD: Final = 8
ANY_DEVICE_GOAL: Final = 0.97
H100_GOAL: Final = 1.5
ROOFLINE_GOAL: Final = 1.6
GOAL_SIDE: Final = 1024
STAGES: Final = ("text", "step", "decode", "octets", "png", "thumbnail", "write")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", choices=(DEMO_WEIGHTS, FULL_SIZE), default=DEMO_WEIGHTS)
    parser.add_argument(
        "--layers", type=positive, help="of random-full-size, instead of all: to try the way without a GPU"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--sizes", type=positive, nargs="+", default=[512, 768, 1024], help="sides of square pictures")
    parser.add_argument("--queued", type=positive, nargs="+", default=[1, 2, 4, 8], help="how many people wait at once")
    parser.add_argument("--rounds", type=positive, default=3, help="of each kind, in turns; the middle one counts")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--tflops", type=float, help="what the device reaches at most; known by name for an H100")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    device = pick_device(arguments.device)
    roof = arguments.tflops * 1e12 if arguments.tflops else operations.roof_of(device.label)
    plain, own = _pipelines(arguments, device)
    rounds = 1 if arguments.quick else arguments.rounds
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as name:
        folder = Path(name)
        weights = profiles.DEMO if arguments.weights == DEMO_WEIGHTS else profiles.TURBO
        ours = OwnEngine(own, folder, device, weights)
        sides = {"plain": _plain_loop(plain, folder), "ours": ours.make}
        rows = []
        for side in arguments.sizes:
            for make in sides.values():
                make([request_for(side, STEPS)])  # the first of each size pays for choosing kernels
            rows += [_compare(sides, side, queued, rounds) for queued in arguments.queued]
        stages = [measure_stages(own, side, folder) for side in arguments.sizes]
    tokens = _tokens(own)
    work = {side: operations.of_picture(own, side, tokens, STEPS) for side in arguments.sizes}
    return {
        "machine": machine() | {"device": device.label, "torch": torch.__version__, "threads": torch.get_num_threads()},
        "weights": arguments.weights,
        "layers": arguments.layers,
        "steps": STEPS,
        "rounds": rounds,
        "roof_tflops": roof and roof / 1e12,
        "operations": [{"side": side, "tokens": tokens, "teraflop": each / 1e12} for side, each in work.items()],
        "rows": [row | _roofline(row, work[row["side"]], roof) | goals(row, device) for row in rows],
        "stages": stages,
        "memory": _memory(device),
    }


def table(document: dict[str, Any]) -> str:
    layers = f" of {document['layers']} layers" if document["layers"] else ""
    heading = f"{document['machine']['device']}, {document['weights']}{layers}, {document['steps']} steps"
    lines = [heading, "   side  queued  plain img/s  ours img/s   ratio    goal  x roofline    goal"]
    for row in document["rows"]:
        numbers = f"{row['side']:>7}{row['queued']:>8}{row['plain']:>13.3f}{row['ours']:>12.3f}{row['ratio']:>8.3f}"
        missed = _is_missed(row["goal"], row["ratio"]) or _is_missed(row["times_roofline"], row["roofline_goal"])
        goals = f"{_number(row['goal'], 8)}{_number(row['times_roofline'], 12)}{_number(row['roofline_goal'], 8)}"
        lines.append(f"{numbers}{goals}{'  MISSED' if missed else ''}")
    lines.append(f"   side{''.join(f'{name:>10}' for name in STAGES)}   ms; from png on a photo-like picture")
    for stage in document["stages"]:
        numbers = "".join(f"{stage[name]:>10.1f}" for name in STAGES)
        lines.append(f"{stage['side']:>7}{numbers}")
    sums = ", ".join(f"{each['teraflop']:.3g} at {each['side']}²" for each in document["operations"])
    lines.append(f"operations of a picture, million million: {sums}")
    lines.append("memory, MiB: " + ", ".join(f"{name} {mib}" for name, mib in document["memory"].items()))
    return "\n".join(lines)


def goals(row: dict[str, Any], device: Device) -> dict[str, float | None]:
    """Of one row: the least ratio and, on the card for which there is one, the most times of the roofline."""
    is_large, is_h100 = row["side"] == GOAL_SIDE, operations.roof_of(device.label) is not None
    if is_large and is_h100:
        return {"goal": H100_GOAL, "roofline_goal": ROOFLINE_GOAL}
    is_crowd = row["queued"] >= CROWD and (is_large or device.is_cuda)
    return {"goal": ANY_DEVICE_GOAL if is_crowd else None, "roofline_goal": None}


def _pipelines(arguments: argparse.Namespace, device: Device) -> tuple[ZImagePipeline, ZImagePipeline]:
    """The demo model is loaded for each side apart; twice the full size would not fit, and what the engine drops of
    the text encoder spares the plain loop a layer, too."""
    if arguments.weights == DEMO_WEIGHTS:
        return load_pipeline(DEMO, device), load_pipeline(DEMO, device)
    pipeline = big_model.full_size(device.name, device.dtype, arguments.layers)
    return pipeline, pipeline


Make = Callable[[Sequence[EngineRequest]], object]


def _compare(sides: dict[str, Make], side: int, queued: int, rounds: int) -> dict[str, Any]:
    """In turns, so that a machine that slows down slows both."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, make in sides.items():
            requests = [request_for(side, STEPS) for _ in range(queued)]
            begun = time.perf_counter()
            make(requests)
            times[name].append(time.perf_counter() - begun)
    speed = {name: queued / statistics.median(seconds) for name, seconds in times.items()}
    return {"side": side, "queued": queued, **speed, "ratio": speed["ours"] / speed["plain"]}


def _plain_loop(pipeline: ZImagePipeline, folder: Path) -> Make:
    """What a page without an engine does: nothing is waited for on the disk, and there is no thumbnail."""

    def make(requests: Sequence[EngineRequest]) -> None:
        for request in requests:
            image = pipeline(
                prompt=request.prompt,
                height=request.height,
                width=request.width,
                num_inference_steps=request.steps,
                guidance_scale=request.guidance_scale,
                generator=torch.Generator("cpu").manual_seed(request.pictures[0].seed),
            ).images[0]
            image.save(folder / f"{request.job_id}.png")

    return make


@torch.inference_mode()
def _tokens(pipeline: ZImagePipeline) -> int:
    """Of a long prompt; nearly all operations are the picture's own."""
    captions = CaptionEncoder(pipeline.tokenizer, pipeline.text_encoder)
    return max(captions.features(request_for(GOAL_SIDE, STEPS).prompt).shape[0] for _ in range(4))


def _roofline(row: dict[str, Any], work: int, roof: float | None) -> dict[str, float | None]:
    """How many times longer a picture took than its arithmetic alone."""
    return {"times_roofline": None if roof is None else roof / work / row["ours"]}


def _is_missed(least: float | None, most: float | None) -> bool:
    return least is not None and most is not None and least > most


def _number(value: float | None, width: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.2f}"


def _memory(device: Device) -> dict[str, int]:
    """MiB: of the whole process now and at most, both sides' models included; and of the card, at most."""
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() // 2**20
    found = {"resident": resident, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    if device.is_cuda:
        found |= {"cuda_peak": torch.cuda.max_memory_allocated() // 2**20}
    return found
