"""Where the model runs and in which numbers: CUDA in bfloat16, CPU in float32, never float16 (it gives NaN)."""

from dataclasses import dataclass, replace

import torch

from app.engine.core.failures import LoadError
from app.engine.core.profiles import Card


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
    available = cards()
    if wanted == "cpu" or (wanted == "auto" and not available):
        return Device("cpu", "cpu", torch.float32)
    number = int(wanted.partition(":")[2] or 0)
    if number >= available:
        raise LoadError("engine.no-cuda", device=wanted, found=available)
    card = _card(number)
    name = f"cuda:{number}"
    return Device(name, f"{name} {card.name}", getattr(torch, card.dtype))


def take(device: Device) -> None:
    """Make it the one that this process means: streams, events and graphs ask for no device by name."""
    if device.is_cuda:
        torch.cuda.set_device(device.name)


def cards() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def set_threads(threads: int) -> None:
    """0 leaves it to torch, which takes one a physical core: right for a child alone on a CPU."""
    if threads:
        torch.set_num_threads(threads)


def describe(device: Device) -> Card:
    """What the profile is chosen from, with what other programs leave free at the moment."""
    if not device.is_cuda:
        return Card(device.label)
    number = int(device.name.partition(":")[2])
    free, total = torch.cuda.mem_get_info(number)
    return replace(_card(number), total=total, free=free)


def _card(number: int) -> Card:
    return Card(torch.cuda.get_device_name(number), torch.cuda.get_device_capability(number))
