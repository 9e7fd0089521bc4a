"""A pipeline from a local folder, on its device, or one clear reason why not."""

import logging
from pathlib import Path
from typing import Any, Final, cast

import diffusers
import torch
from transformers.utils import logging as transformers_logging

from app.engine.core.devices import Device
from app.engine.core.failures import LoadError
from app.engine.core.folder import check_folder
from app.engine.core.pipeline import Pipeline

log = logging.getLogger(__name__)

UNTYPED: Final[Any] = diffusers  # its classes have no annotations


def load_pipeline(folder: Path, device: Device) -> Pipeline:
    """Raises LoadError `engine.broken-model`, or `engine.out-of-memory` (to be tried again)."""
    check_folder(folder)
    UNTYPED.utils.logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        pipeline = UNTYPED.ZImagePipeline.from_pretrained(
            folder, dtype=device.dtype, local_files_only=True, use_safetensors=True
        )
        pipeline.to(device.name)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise LoadError("engine.out-of-memory", retry=True, device=device.label) from error
    except Exception as error:
        # The libraries find wrong content in many ways, and none has a name of its own.
        log.exception("The model in %s cannot be loaded", folder)
        raise LoadError("engine.broken-model", folder=str(folder), detail=type(error).__name__) from error
    pipeline.set_progress_bar_config(disable=True)
    return cast("Pipeline", pipeline)
