"""Which model `--model` means: a folder or a file that is here, or a folder to download first. Without torch."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.domain.models import DEMO as DEMO_NAME
from app.domain.models import FROM_HUB, HUB_ID, FoundModel, Kind, is_plain_name
from app.engine.core.failures import LoadError
from app.engine.core.folder import check_folder, is_complete
from app.engine.core.weights import GGUF, fits, is_file_of_weights, read_shapes

log = logging.getLogger(__name__)

TURBO: Final = "Tongyi-MAI/Z-Image-Turbo"
DEMO: Final = Path(__file__).resolve().parents[3] / "models" / "demo"
# What a transformer in a file of its own needs besides.
OTHER_PARTS: Final = ("text_encoder", "vae")


@dataclass(frozen=True, slots=True)
class Choice:
    """The model's `name` and `folder`; `repo` is the hub id to download into it first, None if it is here.

    `weights` is a file with another transformer than the folder's, if that is what was named.
    """

    name: str
    folder: Path
    repo: str | None = None
    weights: Path | None = None

    @property
    def is_demo(self) -> bool:
        return self.folder == DEMO

    def check(self) -> None:
        """Raises LoadError `engine.broken-model`."""
        check_folder(self.folder, *(() if self.weights is None else (OTHER_PARTS,)))


def choose(model: str, models_dir: Path, *, cuda: bool) -> Choice:
    """The model that `--model` names. Raises LoadError: `engine.model-missing`, `engine.no-base`, or
    `engine.broken-model` for a file."""
    if model == "auto":
        return _automatic(models_dir, cuda=cuda)
    if model == DEMO_NAME:
        return Choice(DEMO_NAME, DEMO)
    if model.startswith(FROM_HUB) and HUB_ID.fullmatch(model.removeprefix(FROM_HUB)):
        return _from_hub(model.removeprefix(FROM_HUB), models_dir)
    if is_plain_name(model) and (models_dir / model).exists():
        return _local(models_dir / model, models_dir)
    if model and (path := Path(model).expanduser().absolute()).exists():
        return _local(path, models_dir)
    if HUB_ID.fullmatch(model):
        return _from_hub(model, models_dir)
    raise LoadError("engine.model-missing", model=model)


def found_models(models_dir: Path) -> Iterator[FoundModel]:
    """The demo model, and everything in the models directory that could be one."""
    yield FoundModel(DEMO_NAME, "demo", _size(DEMO))
    for path in sorted(models_dir.iterdir()) if models_dir.is_dir() else ():
        try:
            is_model = path.resolve() != DEMO and ((path / "model_index.json").is_file() or _is_weights(path))
            if is_model and is_plain_name(path.name) and path.suffix != ".partial":
                yield _found(path, models_dir)
        except OSError as error:  # gone again, or not for us to read
            log.warning("%s cannot be looked at: %s", path, error.strerror)


def _found(path: Path, models_dir: Path) -> FoundModel:
    kind: Kind = "folder" if path.is_dir() else "gguf" if path.suffix == GGUF else "file"
    try:
        _local(path, models_dir).check()
    except LoadError as error:
        return FoundModel(path.name, kind, _size(path), error.reason, error.params)
    return FoundModel(path.name, kind, _size(path))


def _local(path: Path, models_dir: Path) -> Choice:
    if path.is_dir():
        return Choice(DEMO_NAME, DEMO) if path.resolve() == DEMO else Choice(path.name, path)
    if not _is_weights(path):
        raise LoadError("engine.model-missing", model=path.name)
    return Choice(path.name, _base_of(path, models_dir), weights=path)


def _base_of(path: Path, models_dir: Path) -> Path:
    """The folder whose text encoder, VAE, tokenizer and scheduler belong to the transformer in this file."""
    shapes = read_shapes(path)
    turbo = models_dir / TURBO.partition("/")[2]
    others = sorted(each for each in models_dir.iterdir() if each.is_dir()) if models_dir.is_dir() else []
    for base in (turbo, *others, DEMO):
        if fits(shapes, base) and is_complete(base, OTHER_PARTS):
            return base
    raise LoadError("engine.no-base", file=path.name)


def _is_weights(path: Path) -> bool:
    return is_file_of_weights(path) and path.is_file()


def _size(path: Path) -> int:
    """Bytes."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files if each.is_file())


def _automatic(models_dir: Path, *, cuda: bool) -> Choice:
    turbo = _from_hub(TURBO, models_dir)
    if turbo.repo is None or cuda:
        return turbo
    if turbo.folder.is_dir():
        log.warning("%s is not complete: using the demo model", turbo.folder)
    return Choice(DEMO_NAME, DEMO)


def _from_hub(repo: str, models_dir: Path) -> Choice:
    name = repo.partition("/")[2]
    folder = models_dir / name
    return Choice(name, folder, None if is_complete(folder) else repo)
