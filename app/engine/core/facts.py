"""What making a picture again would need, besides its request."""

import importlib.metadata
from pathlib import Path

import torch

from app.engine.core.devices import Device
from app.engine.core.folder import revision_of
from app.engine.core.weights import digest_of


def facts_of(model: str, folder: Path, device: Device, weights: Path | None = None) -> dict[str, str]:
    """`model`, `revision`, `dtype`, `device` and the versions of the libraries that decide about pixels.

    With `weights`, the file that holds the transformer, its revision stands before the folder's.
    """
    revision = revision_of(folder) if weights is None else f"{digest_of(weights)}+{revision_of(folder)}"
    libraries = {name: importlib.metadata.version(name) for name in ("diffusers", "transformers")}
    return {
        "model": model,
        "revision": revision,
        "dtype": str(device.dtype).removeprefix("torch."),
        "device": device.label,
        "torch": str(torch.__version__),  # with what it was built for
        **libraries,
    }
