"""Is this folder a whole Z-Image pipeline in hub layout? Answered from names, sizes and headers, without torch."""

import hashlib
import json
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

from app.engine.core.failures import LoadError, WrongFileError
from app.engine.core.origin import read_origin

PIPELINE: Final = "ZImagePipeline"
WEIGHTED: Final = ("text_encoder", "transformer", "vae")
CONFIGS: Final = ("scheduler/scheduler_config.json", *(f"{part}/config.json" for part in WEIGHTED))
LIBRARIES: Final = frozenset({"diffusers", "transformers"})
MAX_HEADER: Final = 100_000_000
TAIL: Final = 65536
COMMIT: Final = re.compile("[0-9a-f]{12,64}")


def check_folder(folder: Path, weighted: Sequence[str] = WEIGHTED) -> None:
    """Raises LoadError `engine.broken-model`, whose `detail` names the first thing that is missing or cut off.

    `weighted` are the parts whose weights must be there.
    """
    try:
        _check_index(folder)
        for name in CONFIGS:
            read_json(folder / name)
        if not (folder / "tokenizer" / "tokenizer.json").is_file():
            for name in ("vocab.json", "merges.txt"):
                _require(folder / "tokenizer" / name)
        for part in weighted:
            for weights in _weights(folder / part):
                safetensors_shapes(weights)
    except (WrongFileError, OSError) as error:
        raise broken(folder, error) from error


def broken(model: Path, error: WrongFileError | OSError) -> LoadError:
    """The folder or file cannot be used, with what is wrong."""
    if isinstance(error, WrongFileError):
        failure = LoadError("engine.broken-model", folder=str(model), detail=error.detail)
        failure.params |= error.params
        return failure
    why, file = str(error.strerror), place(error.filename)
    return LoadError("engine.broken-model", folder=str(model), detail="engine.broken.unreadable", file=file, why=why)


def is_complete(folder: Path, weighted: Sequence[str] = WEIGHTED) -> bool:
    try:
        check_folder(folder, weighted)
    except LoadError:
        return False
    return True


def revision_of(folder: Path) -> str:
    """12 hex digits of what is there: a hash over configuration and ends of the weights. The hub's commit stands before
    them in a download of ours: what somebody has replaced in it since is another model all the same."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*/*.safetensors")) + [folder / name for name in ("model_index.json", *CONFIGS)]:
        ends_into(digest, path, path.relative_to(folder).as_posix())
    here = digest.hexdigest()[:12]
    origin = read_origin(folder)
    return f"{origin.revision[:12]}+{here}" if origin is not None and COMMIT.fullmatch(origin.revision) else here


def ends_into(digest: "hashlib._Hash", path: Path, name: str) -> None:
    """Hash the file's name, length and end."""
    size = path.stat().st_size
    digest.update(f"{name} {size}\n".encode())
    with path.open("rb") as file:
        file.seek(max(0, size - TAIL))
        digest.update(file.read())


def _check_index(folder: Path) -> None:
    index = read_json(folder / "model_index.json")
    if index.get("_class_name") != PIPELINE:
        raise WrongFileError("engine.broken.pipeline", found=str(index.get("_class_name")), expected=PIPELINE)
    for part in (*WEIGHTED, "tokenizer", "scheduler"):
        origin = index.get(part)
        # Any other library would be code from the folder.
        if not isinstance(origin, list) or not origin or origin[0] not in LIBRARIES:
            raise WrongFileError("engine.broken.entry", part=part)


def _weights(part: Path) -> list[Path]:
    """The safetensors files that the part's index names, or those that are there."""
    indexes = sorted(part.glob("*.safetensors.index.json"))
    if indexes:
        shards = read_json(indexes[0]).get("weight_map")
        if not isinstance(shards, dict):
            raise WrongFileError("engine.broken.index", file=place(indexes[0]))
        return [part / str(name) for name in sorted(set(shards.values()))]
    files = sorted(part.glob("*.safetensors"))
    if not files:
        raise WrongFileError("engine.broken.missing", file=f"{part.name}/*.safetensors")
    return files


def safetensors_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor. Raises WrongFileError.

    The header says how long the file must be, so a file that was cut off is found without reading it.
    """
    _require(path)
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else MAX_HEADER + 1  # noqa: PLR2004
        header = file.read(length) if length <= MAX_HEADER else b""
    try:
        tensors = cast("dict[str, dict[str, list[int]]]", json.loads(header))
        tensors.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        shapes = {name: tuple(entry["shape"]) for name, entry in tensors.items()}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WrongFileError("engine.broken.safetensors", file=place(path)) from error
    if path.stat().st_size != 8 + length + end:
        raise WrongFileError("engine.broken.cut-off", file=place(path))
    return shapes


def _require(path: Path) -> None:
    if not path.is_file():
        raise WrongFileError("engine.broken.missing", file=place(path))


def read_json(path: Path) -> dict[str, object]:
    """Raises WrongFileError or OSError."""
    _require(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WrongFileError("engine.broken.json", file=place(path)) from error
    if not isinstance(content, dict):
        raise WrongFileError("engine.broken.json", file=place(path))
    return content


def place(path: str | Path) -> str:
    """The file as it is called inside the model folder."""
    name = Path(path)
    return name.name if name.name == "model_index.json" else f"{name.parent.name}/{name.name}"
