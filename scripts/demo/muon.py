"""Muon (https://kellerjordan.github.io/posts/muon): steps of equal length in all directions of a matrix.

torch has it too, but computes in bfloat16, which takes ten times as long on processors without instructions for it.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import torch
from torch import Tensor

MOMENTUM: Final = 0.95
DECAY: Final = 0.01
ROUNDS: Final = 5
QUINTIC: Final = (3.4445, -4.775, 2.0315)
# As long as AdamW's steps usually are (https://arxiv.org/abs/2502.16982).
LENGTH: Final = 0.2


class Muon(torch.optim.Optimizer):
    """For matrices only; with Nesterov's momentum."""

    def __init__(self, matrices: Iterable[Tensor], lr: float) -> None:
        super().__init__(matrices, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        del closure
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._move(matrix, matrix.grad, group["lr"])

    def _move(self, matrix: Tensor, gradient: Tensor, rate: float) -> None:
        state: dict[str, Any] = self.state[matrix]
        momentum = state.setdefault("momentum", torch.zeros_like(matrix))
        momentum.lerp_(gradient, 1 - MOMENTUM)
        way = orthogonal(gradient.lerp(momentum, MOMENTUM))
        matrix.mul_(1 - rate * DECAY).add_(way, alpha=-rate * LENGTH * max(matrix.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix whose singular values are about 1, by Newton and Schulz."""
    wide: Tensor = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.square().sum().sqrt().clamp(min=1e-7)
    one, three, five = QUINTIC
    for _ in range(ROUNDS):
        square = wide @ wide.T
        wide = one * wide + (three * square + five * square @ square) @ wide
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide
