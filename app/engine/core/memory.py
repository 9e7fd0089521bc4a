"""Too little memory on the device: how it shows, and what is done first."""

import gc
from typing import Final

import torch

EXHAUSTED: Final = "out-of-memory"
"""The job's error code."""
CPU_MEMORY: Final = "can't allocate memory"


def is_exhausted(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or CPU_MEMORY in str(error)


def free() -> None:
    """Give back what nobody uses. Call it where the error and its traceback, which hold tensors, are gone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
