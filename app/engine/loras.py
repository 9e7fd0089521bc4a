"""LoRA files beside the models: which there are, and what they say of themselves. Without torch, for both processes."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open

from app.domain.errors import printable
from app.domain.loras import NAME, Lora

log = logging.getLogger(__name__)

ENDING: Final = ".safetensors"
MAX_SIDECAR: Final = 1 << 16
MAX_TRIGGERS: Final = 20
LONGEST: Final = 100
TITLE: Final = "modelspec.title"
TRIGGER: Final = "modelspec.trigger_phrase"


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A file as it was found: with another content it is another one. `changed` in nanoseconds."""

    name: str
    size: int
    changed: int


@dataclass(frozen=True, slots=True)
class Adapter:
    """One that a picture is made with."""

    file: LoraFile
    strength: float


class LoraFolder:
    """The `Loras` port: `<models>/loras/*.safetensors`, each with a `<name>.json` beside it or not."""

    def __init__(self, models_dir: Path) -> None:
        self.folder = models_dir.absolute() / "loras"

    def names(self) -> frozenset[str]:
        found = (path.name.removesuffix(ENDING) for path in self.folder.glob(f"*{ENDING}") if path.is_file())
        return frozenset(name for name in found if NAME.fullmatch(name))

    def list(self) -> tuple[Lora, ...]:
        return tuple(self._described(name) for name in sorted(self.names()))

    def find(self, name: str) -> LoraFile | None:
        """None if there is no file of that name."""
        if name not in self.names():
            return None
        try:
            found = self.path(name).stat()
        except OSError:
            return None
        return LoraFile(name, found.st_size, found.st_mtime_ns)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}{ENDING}"

    def _described(self, name: str) -> Lora:
        """What the file beside it says goes before what the file itself says."""
        own, beside = _metadata(self.path(name)), _sidecar(self.folder / f"{name}.json")
        title = beside.get("title") or own.get(TITLE) or name
        phrase = own.get(TRIGGER)
        triggers = beside.get("triggers", [phrase] if phrase else [])
        words = [each for each in triggers if isinstance(each, str)] if isinstance(triggers, list) else []
        return Lora(
            name=name,
            title=printable(str(title), LONGEST),
            triggers=tuple(printable(word, LONGEST) for word in words[:MAX_TRIGGERS]),
        )


def _metadata(path: Path) -> Mapping[str, str]:
    """What the file's header says; nothing of one that is broken: the job that names it will say so."""
    try:
        with safe_open(path, framework="np") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError):
        return {}


def _sidecar(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(MAX_SIDECAR))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        log.warning("%s beside a LoRA cannot be read", path.name)
        return {}
    return content if isinstance(content, dict) else {}
