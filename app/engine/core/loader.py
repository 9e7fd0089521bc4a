"""A pipeline from a local folder, on its device, or one clear reason why not."""

import logging
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
import transformers

from app.engine.core.devices import Device
from app.engine.core.failures import LoadError
from app.engine.core.untyped import ZImagePipeline
from app.logs import where

log = logging.getLogger(__name__)

UNTYPED: Final[Any] = diffusers  # it has no annotations, nor has the next
TRANSFORMERS_LOGGING: Final[Any] = transformers.utils.logging


def load_pipeline(folder: Path, device: Device) -> ZImagePipeline:
    """The `ZImagePipeline` of a folder that `folder.check_folder` has passed.

    Raises LoadError `engine.broken-model`, or `engine.out-of-memory` (to be tried again).
    """
    for logging_of in (UNTYPED.utils.logging, TRANSFORMERS_LOGGING):
        logging_of.disable_progress_bar()
        # Through our own handler, like everybody's lines.
        logging_of.disable_default_handler()
        logging_of.enable_propagation()
    try:
        pipeline = UNTYPED.ZImagePipeline.from_pretrained(
            folder, dtype=device.dtype, local_files_only=True, use_safetensors=True
        )
        pipeline.to(device.name)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise LoadError("engine.out-of-memory", retry=True, device=device.label) from error
    except Exception as error:
        # The libraries find wrong content in many ways, and none has a name of its own. Their text quotes no person.
        log.error("The model in %s cannot be loaded: %s", folder, error, exc_info=where(error))
        raise LoadError("engine.broken-model", folder=str(folder), detail=type(error).__name__) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
