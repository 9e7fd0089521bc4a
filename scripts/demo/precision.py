"""Whether this processor multiplies faster in bfloat16: some have instructions for it, others only pretend."""

import time

import torch
from torch import Tensor

ROUNDS = 8


def half_is_fast() -> bool:
    return _seconds(torch.bfloat16) < _seconds(torch.float32)


def _seconds(kind: torch.dtype) -> float:
    """The shortest of some products."""
    left, right = torch.ones(2048, 160, dtype=kind), torch.ones(160, 480, dtype=kind)
    return min(_product(left, right) for _ in range(ROUNDS))


def _product(left: Tensor, right: Tensor) -> float:
    begun = time.perf_counter()
    torch.matmul(left, right)
    return time.perf_counter() - begun
