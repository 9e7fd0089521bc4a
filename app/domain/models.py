"""What a model may be called, and what is known of one that is here."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from app.domain.errors import FieldError, InvalidRequestError

AUTO: Final = "auto"
DEMO: Final = "demo"
# Before a hub id: never a folder of that name that happens to be here.
FROM_HUB: Final = "hub:"
HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
MAX_NAME: Final = 200
MAX_PATH: Final = 4000


Kind = Literal["demo", "folder", "file", "gguf"]


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model on this machine: `size` in bytes; `reason`, a catalogue key with `params`, says why it cannot be used."""

    name: str
    kind: Kind
    size: int
    reason: str = ""
    params: Mapping[str, str | int | float] = field(default_factory=dict)


class Shelf(Protocol):
    """The models on this machine, by the names that `--model` knows."""

    def found(self) -> Sequence[FoundModel]: ...

    def changed(self, model: str) -> Sequence[str]:
        """The files of a downloaded model that are no longer what they were. Reads all of it, about a gigabyte a
        second. Raises ConflictError where there is nothing to compare with."""


def is_plain_name(text: str) -> bool:
    """A name inside a folder, and no way out of it."""
    return text.isprintable() and 0 < len(text) <= MAX_NAME and not text.startswith(".") and not set(text) & set("/\\")


def parse_model(value: object, found: Collection[str]) -> str:
    """The model as `--model` names it: `auto`, `demo`, one of those that were `found`, or a hub id.

    Never a path: nobody may ask what else is on the server's disk. Raises InvalidRequestError.
    """
    text = value.strip() if isinstance(value, str) else ""
    if text in {AUTO, DEMO, *found}:
        return text
    repo = text.removeprefix(FROM_HUB)
    if len(repo) <= MAX_NAME and HUB_ID.fullmatch(repo):
        return FROM_HUB + repo
    raise InvalidRequestError([FieldError("model", "field.model")])


def parse_model_or_path(value: str, found: Collection[str]) -> str:
    """The same for whoever is on the server anyway: an absolute path is a model, too. Raises InvalidRequestError."""
    if value.startswith("/") and value.isprintable() and len(value) <= MAX_PATH:
        return value
    return parse_model(value, found)
