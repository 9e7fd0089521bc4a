"""How well a pipeline obeys: held-out prompts in both languages at several sizes, judged by measuring."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from app.engine.core.untyped import ZImagePipeline
from scripts.demo import captions, judge
from scripts.demo.scenes import Scene

SIZES: Final = ((256, 256), (512, 512), (512, 320), (384, 640), (1024, 1024))
STEPS: Final = 8
# Training draws from other seeds, and meets a given caption and arrangement by chance only.
SEED: Final = "held out"


@dataclass(frozen=True, slots=True)
class Score:
    """Parts of 1 of the pictures in which background, colours and shapes were right; and where colours and shapes were,
    their outlines' medians as in `judge.Outline`: 1 if none were."""

    pictures: int
    background: float
    colour: float
    shape: float
    off: float
    longer: float


def prompts(count: int) -> list[tuple[Scene, str]]:
    """Scenes with captions, every other one Chinese."""
    chance = random.Random(SEED)
    found: list[tuple[Scene, str]] = []
    while len(found) < count:
        scene, text = captions.sample(chance)
        if text.isascii() == (len(found) % 2 == 0):
            found.append((scene, text))
    return found


def pictures(pipeline: ZImagePipeline, texts: Sequence[str], height: int, width: int) -> list[Tensor]:
    """[height, width, 3] octets of each prompt, by the unmodified pipeline; the seed is the prompt's place."""
    made = []
    for place, text in enumerate(texts):
        image = pipeline(
            prompt=text,
            height=height,
            width=width,
            num_inference_steps=STEPS,
            guidance_scale=0.0,
            generator=torch.Generator("cpu").manual_seed(place),
        ).images[0]
        made.append(torch.from_numpy(np.array(image)))
    return made


def score(pipeline: ZImagePipeline, count: int, height: int, width: int) -> Score:
    pairs = prompts(count)
    made = pictures(pipeline, [text for _, text in pairs], height, width)
    verdicts = [judge.judge(picture, scene) for picture, (scene, _) in zip(made, pairs, strict=True)]

    outlines = [
        judge.outline(picture, scene)
        for picture, (scene, _), verdict in zip(made, pairs, verdicts, strict=True)
        if verdict.shape and verdict.colour
    ]

    def part(name: str) -> float:
        return sum(bool(getattr(verdict, name)) for verdict in verdicts) / len(verdicts)

    return Score(
        pictures=len(verdicts),
        background=part("background"),
        colour=part("colour"),
        shape=part("shape"),
        off=_median([outline.off for outline in outlines]),
        longer=_median([outline.longer for outline in outlines]),
    )


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 1.0
