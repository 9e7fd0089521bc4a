"""Where a killed run goes on: weights, optimisers and the step, in one file that is whole or not there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch


class Stateful(Protocol):
    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> object: ...


def save(file: Path, step: int, parts: Mapping[str, Stateful]) -> None:
    """`step` is how many were done."""
    half = file.with_suffix(".half")
    torch.save({"step": step} | {name: part.state_dict() for name, part in parts.items()}, half)
    half.replace(file)


def load(file: Path, parts: Mapping[str, Stateful]) -> int:
    """How many steps were done: 0 without a file."""
    if not file.exists():
        return 0
    state = torch.load(file, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["step"])
