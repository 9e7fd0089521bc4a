"""The long part, the transformer: with averaged weights, in steps that a killed run goes on from."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from app.engine.core.untyped import ZImageTransformer
from scripts.demo import flow, forward, layout, precision
from scripts.demo.checkpoint import Stateful, load, save
from scripts.demo.muon import Muon
from scripts.demo.walks import Walks

MATRIX_RATE: Final = 1e-3
RATE: Final = 1e-3
WARM_UP: Final = 200
DECAY_FROM: Final = 0.2  # of the steps
AVERAGE: Final = 0.998
SAVE_EVERY: Final = 50
WHOLE: Final = 0.45  # of the steps, the last ones, see whole pictures


class Average:
    """The weights' moving average, which is what is shipped."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self.weights = {name: weight.detach().clone() for name, weight in network.named_parameters()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        keep = min(AVERAGE, (step + 1) / (step + 10))
        for name, weight in self._network.named_parameters():
            self.weights[name].lerp_(weight, 1 - keep)

    def state_dict(self) -> dict[str, Tensor]:
        return self.weights

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights = state


@dataclass(frozen=True, slots=True)
class Plan:
    """`steps` from `seed` on, with a checkpoint in `file`."""

    steps: int
    seed: int
    file: Path

    @property
    def whole_from(self) -> int:
        """The first step that sees whole pictures."""
        return round(self.steps * (1 - WHOLE))


class Training:
    """The network on its way through the plan; `step` counts from 0 over all runs with the same file."""

    def __init__(self, network: ZImageTransformer, plan: Plan) -> None:
        self._network, self._plan = network, plan
        self._compass = layout.Compass()
        forward.make_fast(network)
        self._muon, self._adam = _optimisers(network, self._compass)
        self._average = Average(network)
        self._walks = Walks()
        self._parts: dict[str, Stateful] = {
            "weights": network,
            "compass": self._compass,
            "average": self._average,
            "muon": self._muon,
            "adam": self._adam,
            "walks": self._walks,
        }
        self.step = load(plan.file, self._parts)
        self._asked = torch.zeros(len(layout.ASKED))  # errors of the last step
        self._half = precision.half_is_fast()

    def run(self, batches: Iterable[flow.Batch], report: Callable[[int, float, Sequence[float], float], None]) -> None:
        """To the end; `report(step, mean loss, errors of what the compass asks, seconds)` at each checkpoint."""
        generator = torch.Generator()
        total, begun = 0.0, time.monotonic()
        for batch in batches:
            generator.manual_seed(self._plan.seed * 1_000_003 + self.step)
            total += self._learn(batch, generator)
            self.step += 1
            if self.step % SAVE_EVERY == 0 or self.step == self._plan.steps:
                save(self._plan.file, self.step, self._parts)
                report(self.step, total / SAVE_EVERY, self._asked.tolist(), time.monotonic() - begun)
                total = 0.0

    def finish(self) -> None:
        """Put the averaged weights into the network."""
        self._network.load_state_dict(self._average.weights, strict=False)

    def _learn(self, batch: flow.Batch, generator: torch.Generator) -> float:
        for optimiser, rate in ((self._muon, MATRIX_RATE), (self._adam, RATE)):
            for group in optimiser.param_groups:
                group["lr"] = rate * self._pace()
            optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._half):
            if self.step % 4:
                walk = self._walks.next(batch, generator)
                loss, self._asked = walk.loss_of(self._network, self._compass)
            else:
                loss, self._asked = flow.loss_of(self._network, self._compass, batch, generator)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._muon.step()
        self._adam.step()
        self._average.update(self.step)
        return loss.item()

    def _pace(self) -> float:
        """Up in the beginning, down to nothing from the middle on."""
        down = (self._plan.steps - self.step) / (self._plan.steps * (1 - DECAY_FROM))
        return min(1.0, (self.step + 1) / WARM_UP, down)


def _optimisers(network: nn.Module, compass: nn.Module) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for all else."""
    matrices: list[Tensor] = []
    others = list(compass.parameters())
    for name, weight in network.named_parameters():
        inside = weight.ndim == 2 and ("layers" in name or "refiner" in name) and "adaLN" not in name
        (matrices if inside else others).append(weight)
    return Muon(matrices, MATRIX_RATE), torch.optim.AdamW(others, lr=RATE, betas=(0.9, 0.98), weight_decay=0.0)
