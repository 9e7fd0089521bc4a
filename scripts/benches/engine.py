"""Pictures a second of the engine against a plain ZImagePipeline loop that also encodes and saves, in one run."""

import argparse
import itertools
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import torch

from app.domain.ports import EngineRequest, PictureMade, PictureOrder
from app.engine import wire
from app.engine.core import denoising
from app.engine.core.captions import CaptionEncoder
from app.engine.core.decoding import Developed, decode
from app.engine.core.devices import Device, most_at_once, pick_device
from app.engine.core.hostcopy import HostCopy
from app.engine.core.loader import load_pipeline
from app.engine.core.models import DEMO
from app.engine.core.painter import Painter
from app.engine.core.untyped import ZImagePipeline
from app.engine.loras import LoraFolder
from scripts.benches import big_model
from scripts.benches.figures import machine, positive

STEPS: Final = 8
# Operations of 8 steps, one text of 64 tokens and one decode at the full size, per side in pixels; 1024 was counted,
# the others follow from the shares of attention and of the rest.
OPERATIONS: Final = {512: 1.06e14, 768: 2.5e14, 1024: 4.56e14}
ROOF: Final = 7.9e14  # bfloat16 operations a second that an H100 was measured to reach in large products
PROMPT: Final = "a photo of a red lantern over a quiet river at dusk, number {number}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", choices=("demo", "random-full-size"), default="demo")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--sizes", type=positive, nargs="+", default=[512, 768, 1024], help="sides of square pictures")
    parser.add_argument("--queued", type=positive, nargs="+", default=[1, 2, 4, 8], help="how many people wait at once")
    parser.add_argument("--rounds", type=positive, default=3, help="of each kind, in turns; the middle one counts")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    device = pick_device(arguments.device)
    make = _maker(arguments.weights, device)
    plain, own = make(), make()
    said: SimpleQueue[wire.FromChild] = SimpleQueue()
    facts, loras = {"model": arguments.weights}, LoraFolder(DEMO.parent)
    painter = Painter(own, facts, said.put, most=most_at_once(device), loras=loras)
    rows = []
    for side in arguments.sizes:
        _plain_loop(plain, side, 1)  # the first of each size pays for choosing kernels
        _own_engine(painter, said, side, 1)
        rows += [_compare(plain, painter, said, side, queued, arguments.rounds) for queued in arguments.queued]
    return {
        "machine": machine() | {"device": device.label, "torch": torch.__version__},
        "weights": arguments.weights,
        "steps": STEPS,
        "rows": [row | _roofline(row, device, arguments.weights) for row in rows],
        "stages": [_stages(own, side) for side in arguments.sizes],
        "memory_mib": _memory(device),
    }


def table(document: dict[str, Any]) -> str:
    lines = [f"{document['machine']['device']}, {document['weights']}, {document['steps']} steps"]
    lines.append("   side  queued  plain img/s  ours img/s   ratio  of the roofline")
    for row in document["rows"]:
        roof = f"{row['times_roofline']:.2f}x" if row["times_roofline"] else "-"
        lines.append(
            f"{row['side']:>7}{row['queued']:>8}{row['plain']:>13.3f}{row['ours']:>12.3f}{row['ratio']:>8.3f}{roof:>17}"
        )
    lines.append("   side   text ms   step ms  decode ms  file ms (a photo-like picture)")
    lines += [
        f"{stage['side']:>7}{stage['text']:>10.1f}{stage['step']:>10.1f}{stage['decode']:>11.1f}{stage['file']:>9.1f}"
        for stage in document["stages"]
    ]
    lines.append(f"memory: {document['memory_mib']} MiB")
    return "\n".join(lines)


def _maker(weights: str, device: Device) -> Callable[[], ZImagePipeline]:
    """The demo model is loaded for each side apart; twice the full size would not fit, and trimming spares the plain
    loop's text encoder nothing that it can see."""
    if weights == "demo":
        return lambda: load_pipeline(DEMO, device)
    pipeline = big_model.full_size(device.name, device.dtype)
    return lambda: pipeline


def _compare(
    plain: ZImagePipeline, painter: Painter, said: SimpleQueue[wire.FromChild], side: int, queued: int, rounds: int
) -> dict[str, Any]:
    """In turns, so that a machine that slows down slows both."""
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(rounds):
        times["plain"].append(_plain_loop(plain, side, queued))
        times["ours"].append(_own_engine(painter, said, side, queued))
    speed = {name: queued / statistics.median(seconds) for name, seconds in times.items()}
    return {"side": side, "queued": queued, **speed, "ratio": speed["ours"] / speed["plain"]}


NUMBERS: Final = itertools.count()


def _prompts(count: int) -> list[str]:
    """New ones each time: nobody is helped by what was encoded before."""
    return [PROMPT.format(number=next(NUMBERS)) for _ in range(count)]


def _plain_loop(pipeline: ZImagePipeline, side: int, count: int) -> float:
    """Seconds of what a page without an engine does."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        for place, prompt in enumerate(_prompts(count)):
            image = pipeline(
                prompt=prompt,
                height=side,
                width=side,
                num_inference_steps=STEPS,
                guidance_scale=0.0,
                generator=torch.Generator("cpu").manual_seed(place),
            ).images[0]
            image.save(Path(folder) / f"{place}.png")
        return time.perf_counter() - begun


def _own_engine(painter: Painter, said: SimpleQueue[wire.FromChild], side: int, count: int) -> float:
    """Seconds of the same through the engine, files included."""
    with tempfile.TemporaryDirectory() as folder:
        begun, left = time.perf_counter(), count
        for place, prompt in enumerate(_prompts(count)):
            painter.take_in(wire.Run(next(NUMBERS), _request(prompt, side, place)))
        while left:
            if not painter.is_idle:
                painter.advance(lambda _: False)
            while left and (painter.is_idle or not said.empty()):
                message = said.get()
                if isinstance(message, wire.Happened) and isinstance(message.event, PictureMade):
                    (Path(folder) / f"{message.run_id}.png").write_bytes(message.event.png)
                left -= isinstance(message, wire.RunDone)
                if isinstance(message, wire.RunFailed):
                    raise SystemExit(f"the engine failed: {message.code}")
        return time.perf_counter() - begun


def _request(prompt: str, side: int, seed: int) -> EngineRequest:
    return EngineRequest(
        job_id=prompt,
        attempt=1,
        prompt=prompt,
        negative_prompt="",
        width=side,
        height=side,
        steps=STEPS,
        guidance_scale=0.0,
        pictures=(PictureOrder(index=0, seed=seed),),
    )


@torch.inference_mode()
def _stages(pipeline: ZImagePipeline, side: int) -> dict[str, float]:
    """Milliseconds of each stage alone, the device awaited."""
    captions = CaptionEncoder(pipeline.tokenizer, pipeline.text_encoder)
    transformer, vae = pipeline.transformer, pipeline.vae
    text = _milliseconds(lambda: captions.features(*_prompts(1)))
    wanted = captions.features(*_prompts(1))
    sigmas, times = denoising.schedule(pipeline.scheduler, STEPS)
    start = denoising.noise(transformer.in_channels, side, side, 1).to(transformer.device)
    sketch = denoising.Sketch(start, sigmas, times, wanted, None, 0.0)

    def step() -> None:
        sketch.step = 0
        denoising.advance(transformer, [sketch])

    photo = Developed(HostCopy(_photo_like(side)), HostCopy(torch.tensor(data=True)))
    return {
        "side": side,
        "text": text,
        "step": _milliseconds(step),
        "decode": _milliseconds(partial(decode, vae, start)),
        "file": _milliseconds(photo.png),
    }


def _photo_like(side: int) -> torch.Tensor:
    """Octets with the spectrum of photographs: strength falls with the frequency."""
    generator = torch.Generator().manual_seed(3)
    ups, downs = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]
    fall = 1 / torch.hypot(ups, downs).clamp(min=1 / side)
    waves = torch.fft.rfft2(torch.randn((3, side, side), generator=generator)) * fall
    field: torch.Tensor = torch.fft.irfft2(waves, s=(side, side))
    field = (field - field.mean()) / field.std() * 50 + 120 + torch.randn((3, side, side), generator=generator)
    octets: torch.Tensor = field.clamp(0, 255).to(torch.uint8)
    return octets.permute(1, 2, 0).contiguous()


def _milliseconds(work: Callable[[], object], rounds: int = 5) -> float:
    taken = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken[1:])


def _roofline(row: dict[str, Any], device: Device, weights: str) -> dict[str, float | None]:
    """How many times longer a picture took than the arithmetic alone; only known for the full size on a GPU."""
    known = device.is_cuda and weights != "demo" and row["side"] in OPERATIONS
    return {"times_roofline": ROOF / OPERATIONS[row["side"]] / row["ours"] if known else None}


def _memory(device: Device) -> int:
    if device.is_cuda:
        return torch.cuda.max_memory_allocated() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
