"""Too little memory on the device: how it shows, and what is done first."""

import gc
import os
import resource
from pathlib import Path
from typing import Final

import torch

from app.engine.core.devices import Device

# The CPU's allocator, page-locking, and the libraries that find no room for a workspace, have no error of their own.
TEXTS: Final = (
    "can't allocate memory",
    "out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "unable to find an engine to execute this computation",
)


LOCKED_TAKES: Final = 2.0


def is_exhausted(error: BaseException) -> bool:
    """Also of an accelerator's error: running out of memory does not poison the device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in TEXTS)


def in_use(device: Device) -> tuple[int, int]:
    """Bytes that are taken and that there are: of the card by everybody, of the computer's memory by this process."""
    if device.is_cuda:
        left, total = torch.cuda.mem_get_info(torch.device(device.name))
        return total - left, total
    page = resource.getpagesize()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * page, os.sysconf("SC_PHYS_PAGES") * page


def may_lock(size: int) -> bool:
    """Whether so many bytes may be page-locked for the device. Locked pages are rounded up to powers of two, and none
    can be taken back by the system: without room to spare copies go the slow way instead."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return True
    left = {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in lines)}
    return left["MemAvailable"] > LOCKED_TAKES * size


def free() -> None:
    """Give back what nobody uses. Call it where the error and its traceback, which hold tensors, are gone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
