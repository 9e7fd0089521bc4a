"""What went wrong with a run, as a code that people are told about; a lost device is everybody's."""

import logging
import traceback
from pathlib import Path
from typing import Final

import torch

from app.domain.ports import OUT_OF_MEMORY, EngineRunError
from app.engine.core import memory
from app.logs import where

log = logging.getLogger(__name__)

TORCH: Final = Path(torch.__file__).parent


def code_of(error: Exception) -> str:
    """The error code of a run that failed; anything but a lack of memory is logged, without the prompt.

    A lost device is raised again.
    """
    if memory.is_exhausted(error):
        return OUT_OF_MEMORY
    if isinstance(error, torch.AcceleratorError):
        raise error
    if isinstance(error, EngineRunError):
        return error.code
    # Torch's own messages cannot quote a prompt; a tokenizer's might.
    frames = traceback.extract_tb(error.__traceback__)
    is_torch = isinstance(error, RuntimeError) and frames and Path(frames[-1].filename).is_relative_to(TORCH)
    message = str(error) if is_torch else ""
    log.error("The pipeline failed: %s %s", type(error).__name__, message, exc_info=where(error))
    return "engine-error"
