"""Which model `--model` means: a folder that is here, or one to download first. Without torch."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.engine.core.failures import LoadError
from app.engine.core.folder import is_complete

log = logging.getLogger(__name__)

TURBO: Final = "Tongyi-MAI/Z-Image-Turbo"
DEMO: Final = Path(__file__).resolve().parents[3] / "models" / "demo"
HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Choice:
    """The model's `name` and `folder`; `repo` is the hub id to download into it first, None if it is here."""

    name: str
    folder: Path
    repo: str | None = None

    @property
    def is_demo(self) -> bool:
        return self.folder == DEMO


def choose(model: str, models_dir: Path, *, cuda: bool) -> Choice:
    """The model that `--model` names. Raises LoadError `engine.model-missing`."""
    if model == "auto":
        return _automatic(models_dir, cuda=cuda)
    if model == "demo":
        return Choice("demo", DEMO)
    folder = Path(model).expanduser().absolute()
    if model and folder.is_dir():
        return Choice("demo" if folder == DEMO else folder.name, folder)
    if HUB_ID.fullmatch(model):
        return _from_hub(model, models_dir)
    raise LoadError("engine.model-missing", model=model)


def _automatic(models_dir: Path, *, cuda: bool) -> Choice:
    turbo = _from_hub(TURBO, models_dir)
    if turbo.repo is None or cuda:
        return turbo
    if turbo.folder.is_dir():
        log.warning("%s is not complete: using the demo model", turbo.folder)
    return Choice("demo", DEMO)


def _from_hub(repo: str, models_dir: Path) -> Choice:
    name = repo.partition("/")[2]
    folder = models_dir / name
    return Choice(name, folder, None if is_complete(folder) else repo)
