"""A transformer in one file, safetensors or GGUF: what its header says, and whose other parts fit. Without torch."""

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from app.engine.core.failures import WrongFileError
from app.engine.core.folder import broken, ends_into, read_json, safetensors_shapes

SAFETENSORS: Final = ".safetensors"
GGUF: Final = ".gguf"
SUFFIXES: Final = frozenset({SAFETENSORS, GGUF})
# As ComfyUI names the transformer inside a checkpoint; GGUF files and diffusers leave it out.
PREFIX: Final = "model.diffusion_model."
# Weights with scales beside them: read without these they would paint noise.
FOREIGN: Final = re.compile(r"(scale_weight|weight_scale|scaled_fp8|comfy_quant|qweight|wscales|absmax)$")
CAPTION: Final = "cap_embedder.1.weight"

Shapes = Mapping[str, tuple[int, ...]]


def is_file_of_weights(path: Path) -> bool:
    return path.suffix in SUFFIXES  # the library knows them in small letters alone


def read_shapes(path: Path) -> Shapes:
    """The shape of each tensor, from the header. Raises LoadError `engine.broken-model`."""
    try:
        found = path.stat()
        return _usable(path.name, _shapes(path, found.st_mtime_ns, found.st_size))
    except (WrongFileError, OSError) as error:
        raise broken(path, error) from error


def fits(shapes: Shapes, base: Path) -> bool:
    """Whether the folder's configuration is of a transformer of these shapes."""
    try:
        config = read_json(base / "transformer" / "config.json")
    except (WrongFileError, OSError):
        return False
    wanted = (config.get("dim"), config.get("cap_feat_dim"), config.get("n_layers"), config.get("n_refiner_layers"))
    return wanted == (*shapes[CAPTION], _blocks(shapes, "layers"), _blocks(shapes, "noise_refiner"))


def digest_of(path: Path) -> str:
    """12 hex digits that change with the file's name, length and end: reading all of it would take too long."""
    digest = hashlib.sha256()
    ends_into(digest, path, path.name)
    return digest.hexdigest()[:12]


def _usable(file: str, shapes: Shapes) -> Shapes:
    named = {name.removeprefix(PREFIX): shape for name, shape in shapes.items()}
    if len(named.get(CAPTION, ())) != 2:  # noqa: PLR2004 - a matrix
        raise WrongFileError("engine.broken.other-model", file=file)
    if foreign := next((name for name in named if FOREIGN.search(name)), None):
        raise WrongFileError("engine.broken.foreign", file=file, tensor=foreign)
    return named


def _blocks(shapes: Shapes, part: str) -> int:
    return len({name.split(".")[1] for name in shapes if name.startswith(f"{part}.")})


@lru_cache(maxsize=64)
def _shapes(path: Path, _changed: int, _size: int) -> Shapes:
    """Remembered while the file stays as it is: a GGUF of a language model has all its words in the header."""
    return _gguf_shapes(path) if path.suffix == GGUF else safetensors_shapes(path)


def _gguf_shapes(path: Path) -> Shapes:
    from gguf import GGUFReader  # noqa: PLC0415 - only such a file needs it

    try:
        tensors = GGUFReader(path).tensors
    except (ValueError, KeyError, IndexError, UnicodeDecodeError, OverflowError, TypeError) as error:
        raise WrongFileError("engine.broken.gguf", file=path.name) from error
    # GGUF counts the innermost dimension first.
    return {str(tensor.name): tuple(int(side) for side in reversed(tensor.shape)) for tensor in tensors}
