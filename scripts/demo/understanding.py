"""Teach the text encoder what captions mean, before anything is painted: from the words alone, which costs little.

Heads that are thrown away afterwards read the scene off the last tokens, those of the template that every prompt ends
with; so the transformer finds there, linearly and in any language, what it has to paint.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Qwen2Tokenizer, Qwen3Model

from scripts.demo import captions, networks, reading, scenes
from scripts.demo.checkpoint import Stateful, load, save
from scripts.demo.scenes import Scene

BATCH: Final = 192
RATE: Final = 2e-3
READ: Final = 4  # tokens at the end, which read the caption
SAVE_EVERY: Final = 100
COLOURS: Final = list(scenes.COLOURS)
SIZES: Final = list(scenes.SIZES)
PLACES: Final = list(scenes.PLACES)
# What is asked about a scene, and how many answers there are. "Nothing" comes last.
CHOICES: Final = {
    "background": len(COLOURS),
    "count": 4,
    "stacked": 2,
    "colour": len(COLOURS),
    "shape": len(scenes.SHAPES),
    "size": len(SIZES),
    "place": len(PLACES),
    "other colour": len(COLOURS) + 1,
    "other shape": len(scenes.SHAPES) + 1,
}


def answers(scene: Scene) -> list[int]:
    """One number for each of CHOICES."""
    thing, other = scene.things[0], scene.things[1] if len(scene.things) > 1 else None
    return [
        COLOURS.index(scene.background),
        scene.count - 1,
        int(scene.stacked),
        COLOURS.index(thing.colour),
        scenes.SHAPES.index(thing.shape),
        SIZES.index(thing.size),
        PLACES.index(thing.place),
        COLOURS.index(other.colour) if other else len(COLOURS),
        scenes.SHAPES.index(other.shape) if other else len(scenes.SHAPES),
    ]


class Heads(nn.Module):
    """Linear readings of normed features, as the transformer's caption embedder sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(networks.TEXT, eps=1e-5)
        self.lines = nn.ModuleList(nn.Linear(networks.TEXT, choices) for choices in CHOICES.values())

    def forward(self, features: Tensor) -> list[Tensor]:
        normed = self.norm(features)
        return [line(normed) for line in self.lines]


def train(
    text_encoder: Qwen3Model,
    tokenizer: Qwen2Tokenizer,
    steps: int,
    seed: int,
    file: Path,
    report: Callable[[int, float], None],
) -> None:
    """Adam with a rate that goes up and down once; goes on from `file` if it is there.

    `report(step, share of the captions in which every answer was right)` at each checkpoint.
    """
    heads = Heads()
    modules = nn.ModuleList([text_encoder, heads])
    optimiser = torch.optim.AdamW(modules.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1, pct_start=0.1)
    parts: dict[str, Stateful] = {"weights": modules, "optimiser": optimiser, "plan": plan}
    right = 0.0
    for step in range(load(file, parts), steps):
        ids, lengths, wanted = _batch(tokenizer, random.Random(f"{seed}-words-{step}"))
        with torch.autocast("cpu", torch.bfloat16):
            features = reading.features(text_encoder, ids)
            ends = lengths[:, None] - 1 - torch.arange(READ)[None]
            readings = heads(features[torch.arange(len(ids))[:, None], ends].float())
        losses = [
            functional.cross_entropy(reading.float().flatten(0, 1), answer.repeat_interleave(READ))
            for reading, answer in zip(readings, wanted.T, strict=True)
        ]
        optimiser.zero_grad()
        torch.autograd.backward(torch.stack(losses).sum())
        nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
        optimiser.step()
        plan.step()
        hits = torch.stack([reading[:, 0].argmax(dim=1) for reading in readings], dim=1) == wanted
        right += float(hits.all(dim=1).float().mean()) / SAVE_EVERY
        if (step + 1) % SAVE_EVERY == 0 or step == steps - 1:
            save(file, step + 1, parts)
            report(step + 1, right)
            right = 0.0


def _batch(tokenizer: Qwen2Tokenizer, chance: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids [BATCH, longest], how many of each row count [BATCH], answers [BATCH, len(CHOICES)]."""
    pairs = [captions.sample(chance, wordy=chance.random() < captions.WORDY) for _ in range(BATCH)]
    rows = [reading.tokens_of(tokenizer, text) for _, text in pairs]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    return ids, torch.tensor([len(row) for row in rows]), torch.tensor([answers(scene) for scene, _ in pairs])
