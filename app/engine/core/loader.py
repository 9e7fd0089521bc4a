"""A pipeline from a local folder, on its device, or one clear reason why not."""

import logging
from pathlib import Path
from typing import Any, Final

import diffusers
import transformers

from app.engine.core import memory
from app.engine.core.devices import Device
from app.engine.core.failures import LoadError
from app.engine.core.levers import four_bits
from app.engine.core.profiles import Profile
from app.engine.core.untyped import ZImagePipeline, ZImageTransformer
from app.engine.core.weights import GGUF
from app.logs import where

log = logging.getLogger(__name__)

UNTYPED: Final[Any] = diffusers  # it has no annotations, nor has the next
UNTYPED_TRANSFORMERS: Final[Any] = transformers


def load_pipeline(
    folder: Path, device: Device, profile: Profile | None = None, weights: Path | None = None
) -> ZImagePipeline:
    """The `ZImagePipeline` of a folder that `folder.check_folder` has passed; with `weights`, the transformer is the
    one in that file instead.

    On the device; with a profile in the host's memory, and `levers.tune` places the parts.

    Raises LoadError `engine.broken-model`, or `engine.out-of-memory` (to be tried again).
    """
    for logging_of in (UNTYPED.utils.logging, UNTYPED_TRANSFORMERS.utils.logging):
        logging_of.disable_progress_bar()
        # Through our own handler, like everybody's lines.
        logging_of.disable_default_handler()
        logging_of.enable_propagation()
    try:
        pipeline = _assemble(folder, device, profile, weights)
        if profile is None:
            pipeline.to(device.name)
    except LoadError:
        raise
    except Exception as error:
        if memory.is_exhausted(error):
            raise LoadError("engine.out-of-memory", retry=True, device=device.label) from error
        # The libraries find wrong content in many ways, and none has a name of its own. Their text quotes no person.
        log.error("The model in %s cannot be loaded: %s", weights or folder, error, exc_info=where(error))
        raise LoadError("engine.broken-model", folder=str(weights or folder), detail=type(error).__name__) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _assemble(folder: Path, device: Device, profile: Profile | None, weights: Path | None) -> ZImagePipeline:
    """In the host's memory, with nothing left as chance has made it: neither library fails by itself then."""
    known = {"dtype": device.dtype, "local_files_only": True, "use_safetensors": True}
    rounded = four_bits(device) if profile is not None and profile.text_encoder_4bit else {}
    text_encoder, report = UNTYPED_TRANSFORMERS.AutoModel.from_pretrained(
        folder / "text_encoder", output_loading_info=True, **known, **rounded
    )
    _require_all("text_encoder", sorted(report["missing_keys"]), folder)
    ours = {"text_encoder": text_encoder}
    if weights is not None:
        ours["transformer"] = _transformer(weights, folder, device)
    pipeline = UNTYPED.ZImagePipeline.from_pretrained(folder, **ours, **known)
    for part in ("transformer", "vae"):
        # diffusers leaves what it has not found without memory.
        lacking = sorted(name for name, tensor in getattr(pipeline, part).state_dict().items() if tensor.is_meta)
        _require_all(part, lacking, folder)
    return pipeline


def _transformer(weights: Path, folder: Path, device: Device) -> ZImageTransformer:
    """Out of one file, with the folder's configuration; weights of a GGUF stay packed until they are used."""
    packed = UNTYPED.GGUFQuantizationConfig(compute_dtype=device.dtype) if weights.suffix == GGUF else None
    return UNTYPED.ZImageTransformer2DModel.from_single_file(
        str(weights),
        config=str(folder / "transformer"),
        quantization_config=packed,
        dtype=device.dtype,
        local_files_only=True,
    )


def _require_all(part: str, lacking: list[str], folder: Path) -> None:
    if lacking:
        log.error("The model in %s is not whole: %s lacks %s", folder, part, ", ".join(lacking))
        raise LoadError(
            "engine.broken-model",
            folder=str(folder),
            detail="engine.broken.tensors",
            part=part,
            count=len(lacking),
            tensor=lacking[0],
        )
