"""Teach the transformer to go on from where it has come to itself, and to mend there what it got wrong before."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from app.engine.core.untyped import ZImageTransformer
from scripts.demo import layout, reading, sizes
from scripts.demo.flow import ASKED, STEPS, Batch, error_of
from scripts.demo.forward import velocity


class Walk:
    """A batch on its way from noise to picture, as the pipeline takes it: one of its eight steps at a time."""

    def __init__(self, batch: Batch, now: Tensor, step: int) -> None:
        self._batch, self._now, self._step = batch, now, step

    @property
    def ended(self) -> bool:
        return self._step == len(STEPS)

    def loss_of(self, network: ZImageTransformer, compass: layout.Compass) -> tuple[Tensor, Tensor]:
        """As `flow.loss_of`, for the velocity that leads from here to the true picture; and goes the network's step."""
        batch, sigma, seen = self._batch, STEPS[self._step], list[Tensor]()
        at = torch.full((len(batch.clean),), sigma)
        out = velocity(network, self._now, batch.canvas, at, batch.caption, seen).float()
        asked = compass.errors(seen, batch.canvas)
        loss = error_of(out - (batch.clean - self._now) / sigma, at, batch) + ASKED * asked.mean()
        self._step += 1
        after = 0.0 if self.ended else STEPS[self._step]
        self._now = self._now + (sigma - after) * out.detach()
        return loss, asked.detach()

    def state_dict(self) -> dict[str, Any]:
        return {"batch": asdict(self._batch), "now": self._now, "step": self._step}


class Walks:
    """One at each of the steps at any time; where one has ended, another begins with the batch at hand."""

    def __init__(self) -> None:
        self._walks: list[Walk] = []
        self._turn = 0

    def next(self, batch: Batch, generator: torch.Generator) -> Walk:
        """The first ones begin in the middle, from the true picture with that step's noise."""
        place = self._turn % len(STEPS)
        if self._turn < len(STEPS):
            self._walks.append(_begun(batch, generator, place))
        elif self._walks[place].ended:
            self._walks[place] = _begun(batch, generator, 0)
        self._turn += 1
        return self._walks[place]

    def state_dict(self) -> dict[str, Any]:
        return {"turn": self._turn, "walks": [walk.state_dict() for walk in self._walks]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._turn = state["turn"]
        self._walks = [Walk(_batch(each["batch"]), each["now"], each["step"]) for each in state["walks"]]


def _begun(batch: Batch, generator: torch.Generator, step: int) -> Walk:
    noise = torch.randn(batch.clean.shape, generator=generator)
    return Walk(batch, (1 - STEPS[step]) * batch.clean + STEPS[step] * noise, step)


def _batch(fields: dict[str, Any]) -> Batch:
    canvas, caption = sizes.Canvas(**fields["canvas"]), reading.Caption(**fields["caption"])
    return Batch(fields["clean"], fields["weights"], canvas, caption, fields["whole"])
