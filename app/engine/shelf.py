"""The models on this machine: which there are, and whether they are still what was downloaded. Without torch."""

from collections.abc import Sequence
from pathlib import Path

from app.domain.errors import ConflictError
from app.domain.models import FoundModel
from app.engine.core.failures import LoadError
from app.engine.core.models import choose, found_models
from app.engine.core.origin import changed_files, read_origin


class ModelShelf:
    """The `Shelf` port over the folder for models."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir

    def found(self) -> Sequence[FoundModel]:
        return tuple(found_models(self._models_dir))

    def changed(self, model: str) -> Sequence[str]:
        try:
            choice = choose(model, self._models_dir, cuda=False)
        except LoadError as error:
            raise ConflictError(error.reason, **error.params) from error
        origin = read_origin(choice.folder)
        if origin is None or not origin.checksums:
            raise ConflictError("engine.no-checksums", model=choice.name)
        return tuple(changed_files(choice.folder, origin.checksums))
