"""Where the model runs and in which numbers: CUDA in bfloat16, CPU in float32, never float16 (it gives NaN)."""

from dataclasses import dataclass

import torch

from app.engine.core.failures import LoadError


@dataclass(frozen=True, slots=True)
class Device:
    """`name` is torch's (`cpu`, `cuda:0`), `label` adds the card for people."""

    name: str
    label: str
    dtype: torch.dtype

    @property
    def is_cuda(self) -> bool:
        return self.name.startswith("cuda")


def pick_device(wanted: str) -> Device:
    """`auto`, `cpu`, `cuda` or `cuda:N` as a device of this machine.

    On a CPU torch keeps its own number of threads, one a physical core. Raises LoadError `engine.no-cuda`.
    """
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "cpu" or (wanted == "auto" and not available):
        return Device("cpu", "cpu", torch.float32)
    number = int(wanted.partition(":")[2] or 0)
    if number >= available:
        raise LoadError("engine.no-cuda", device=wanted, found=available)
    # Cards before Ampere emulate bfloat16 slowly.
    native = torch.cuda.get_device_capability(number) >= (8, 0)
    name = f"cuda:{number}"
    return Device(name, f"{name} {torch.cuda.get_device_name(number)}", torch.bfloat16 if native else torch.float32)


def most_at_once(device: Device) -> int:
    """How many pictures may share a step: a CPU is busy with one."""
    return 4 if device.is_cuda else 1
