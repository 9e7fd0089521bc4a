"""Too little memory on the device: how it shows, and what is done first."""

import gc
import os
import resource
from pathlib import Path
from typing import Final

import torch

from app.engine.core.devices import Device

EXHAUSTED: Final = "out-of-memory"
"""The job's error code."""
CPU_MEMORY: Final = "can't allocate memory"


def is_exhausted(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or CPU_MEMORY in str(error)


def in_use(device: Device) -> tuple[int, int]:
    """Bytes that are taken and that there are: of the card by everybody, of the computer's memory by this process."""
    if device.is_cuda:
        left, total = torch.cuda.mem_get_info(torch.device(device.name))
        return total - left, total
    page = resource.getpagesize()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * page, os.sysconf("SC_PHYS_PAGES") * page


def free() -> None:
    """Give back what nobody uses. Call it where the error and its traceback, which hold tensors, are gone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
