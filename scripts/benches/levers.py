"""Each lever of the engine's profiles alone against the plain pipeline: time, memory, and the picture's likeness."""

import argparse
import gc
import math
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import torch

from app.engine.core import denoising, levers
from app.engine.core.captions import CaptionEncoder
from app.engine.core.decoding import decode
from app.engine.core.devices import Device, pick_device
from app.engine.core.levers import Tuned
from app.engine.core.loader import load_pipeline
from app.engine.core.models import DEMO
from app.engine.core.profiles import Placement, Profile, Rounding
from app.engine.core.untyped import ZImagePipeline
from scripts.benches import big_model
from scripts.benches.figures import machine, positive

STEPS: Final = 8
PLAIN: Final = "plain"
# What each changes in a profile that changes nothing.
CHOICES: Final[dict[str, dict[str, Any]]] = {
    PLAIN: {},
    "channels-last": {"channels_last": True},
    "cudnn-attention": {"attention": ("_native_cudnn", "native")},
    "compile": {"compiled": True},
    "fp8-products": {"rounding": Rounding.FP8_PRODUCTS},
    "fp8-products-compiled": {"rounding": Rounding.FP8_PRODUCTS, "compiled": True},
    "fp8-storage": {"rounding": Rounding.FP8_STORAGE},
    "by-part": {"placement": Placement.BY_PART},
    "by-block": {"placement": Placement.BY_BLOCK},
}
PROMPT: Final = "a red lantern over a quiet river at dusk"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", choices=("demo", "random-full-size"), default="demo")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--sizes", type=positive, nargs="+", default=[512, 1024], help="sides of square pictures")
    parser.add_argument("--levers", choices=list(CHOICES)[1:], nargs="+", default=list(CHOICES)[1:])
    parser.add_argument("--rounds", type=positive, default=3, help="pictures of each size; the middle one counts")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    device = pick_device(arguments.device)
    rows: list[dict[str, Any]] = []
    pictures: dict[int, torch.Tensor] = {}
    for name in [PLAIN, *arguments.levers]:
        rows += _measured(name, arguments, device, pictures)
    return {
        "machine": machine() | {"device": device.label, "torch": str(torch.__version__)},
        "weights": arguments.weights,
        "steps": STEPS,
        "rows": rows,
    }


def table(document: dict[str, Any]) -> str:
    lines = [f"{document['machine']['device']}, {document['weights']}, {document['steps']} steps"]
    lines.append("lever                   side   first s   step ms  decode ms  picture s   PSNR dB  memory MiB")
    for row in document["rows"]:
        start = f"{row['lever']:<22}{row['side']:>6}"
        if row["unused"]:
            lines.append(f"{start}  cannot be used here")
            continue
        alike = "same" if row["psnr_db"] is None else f"{row['psnr_db']:.1f}"
        lines.append(
            f"{start}{row['first_s']:>10.1f}{row['step_ms']:>10.1f}{row['decode_ms']:>11.1f}{row['picture_s']:>11.3f}"
            f"{alike:>10}{row['memory_mib']:>12}"
        )
    return "\n".join(lines)


def _measured(
    name: str, arguments: argparse.Namespace, device: Device, pictures: dict[int, torch.Tensor]
) -> list[dict[str, Any]]:
    """A row for each size; `pictures` by side are the plain ones, which the first lever of all fills in."""
    profile = replace(Profile(name=name, dtype=str(device.dtype)), **CHOICES[name])
    pipeline = _pipeline(arguments.weights, device, profile)
    tuned = levers.tune(pipeline, device.name, profile)
    wanted = profile.attention[0]
    unused = bool(tuned.unused) or tuned.attention != wanted
    rows = []
    for side in [] if unused else arguments.sizes:
        figures, picture = _figures(pipeline, tuned, side, arguments.rounds)
        alike = _psnr(picture, pictures.setdefault(side, picture))
        rows.append({"lever": name, "side": side, "unused": False, **figures, "psnr_db": alike})
    del pipeline, tuned
    gc.collect()
    return rows or [{"lever": name, "side": side, "unused": True} for side in arguments.sizes]


def _pipeline(weights: str, device: Device, profile: Profile) -> ZImagePipeline:
    """The same numbers each time, where the profile's placement begins."""
    if weights == "demo":
        return load_pipeline(DEMO, device, profile)
    pipeline = big_model.full_size(device.name, device.dtype)
    return pipeline if profile.placement is Placement.RESIDENT else pipeline.to("cpu")


@torch.inference_mode()
def _figures(pipeline: ZImagePipeline, tuned: Tuned, side: int, rounds: int) -> tuple[dict[str, Any], torch.Tensor]:
    """Of whole pictures, their texts new each time; the first pays for compiling and for choosing kernels."""
    _forget_peak()
    captions = CaptionEncoder(pipeline.tokenizer, pipeline.text_encoder, stage=tuned.stage)
    taken: dict[str, list[float]] = {"step": [], "decode": [], "picture": []}
    picture = torch.empty(0)
    for number in range(rounds + 1):
        begun = time.perf_counter()
        captions.features(f"{PROMPT}, number {number}")
        sketch = _sketch(pipeline, tuned, captions.features(PROMPT), side)
        tuned.stage.bring(pipeline.transformer)
        steps = [_seconds(partial(denoising.advance, pipeline.transformer, [sketch])) for _ in range(STEPS)]
        taken["step"].append(statistics.median(steps))
        decoding = time.perf_counter()
        picture = decode(pipeline.vae, sketch.latents).octets.ready()
        taken["decode"].append(time.perf_counter() - decoding)
        taken["picture"].append(time.perf_counter() - begun)
    middle = {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}
    figures = {
        "first_s": taken["picture"][0],
        "step_ms": 1000 * middle["step"],
        "decode_ms": 1000 * middle["decode"],
        "picture_s": middle["picture"],
        "memory_mib": _memory(),
    }
    return figures, picture


def _sketch(pipeline: ZImagePipeline, tuned: Tuned, wanted: torch.Tensor, side: int) -> denoising.Sketch:
    sigmas, times = denoising.schedule(pipeline.scheduler, STEPS)
    latents = denoising.noise(pipeline.transformer.in_channels, side, side, 1).to(tuned.stage.device)
    return denoising.Sketch(latents, sigmas, times, wanted.to(pipeline.transformer.dtype), None, 0.0)


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def _psnr(ours: torch.Tensor, theirs: torch.Tensor) -> float | None:
    """None for the same octets."""
    error = float((ours.double() - theirs.double()).square().mean())
    return None if error == 0 else 10 * math.log10(255**2 / error)


def _forget_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _memory() -> int:
    """MiB at most: of the device; of the whole process without one, where it only grows from lever to lever."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
