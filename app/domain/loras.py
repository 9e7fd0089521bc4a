"""LoRAs: small additions to the model that an administrator has put beside it, and that a request names."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Protocol

from app.domain.errors import FieldError, InvalidRequestError

MAX_LORAS: Final = 4
MAX_STRENGTH: Final = 2.0
DEFAULT_STRENGTH: Final = 1.0
# A file's name without its ending; nothing that leads to another folder, or that ends a field of a picture's metadata.
NAME: Final = re.compile(r"\w[\w .()+-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraUse:
    """One of them in a request; at `strength` 0 it changes nothing."""

    name: str
    strength: float = DEFAULT_STRENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """One that is there. `triggers` are the words that its training tied it to; nobody adds them to a prompt."""

    name: str
    title: str
    triggers: tuple[str, ...] = ()


class Loras(Protocol):
    """What lies beside the model for requests to name."""

    def names(self) -> frozenset[str]: ...

    def list(self) -> tuple[Lora, ...]:
        """By name."""


def parse_loras(value: object) -> tuple[LoraUse, ...]:
    """A JSON list of `{"name": …, "strength": …}`; null is none. Raises InvalidRequestError."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_LORAS:
        raise _refusal("field.loras", max=MAX_LORAS)
    found = tuple(_use(each) for each in value)
    if len({each.name for each in found}) < len(found):
        raise _refusal("field.lora-twice")
    return found


def loras_text(loras: tuple[LoraUse, ...]) -> str | None:
    """As the database keeps them; None for none."""
    return json.dumps([asdict(each) for each in loras], ensure_ascii=False) if loras else None


def loras_of(text: str | None) -> tuple[LoraUse, ...]:
    """What `loras_text` made."""
    return () if text is None else tuple(LoraUse(**each) for each in json.loads(text))


def _use(value: object) -> LoraUse:
    if not isinstance(value, Mapping) or set(value) - {"name", "strength"}:
        raise _refusal("field.loras", max=MAX_LORAS)
    name, strength = value.get("name"), value.get("strength", DEFAULT_STRENGTH)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise _refusal("field.lora-name")
    is_number = isinstance(strength, int | float) and not isinstance(strength, bool)
    if not is_number or not -MAX_STRENGTH <= strength <= MAX_STRENGTH:  # NaN compares false
        raise _refusal("field.lora-strength", min=-MAX_STRENGTH, max=MAX_STRENGTH)
    return LoraUse(name=name, strength=float(strength))


def _refusal(key: str, **params: str | int | float) -> InvalidRequestError:
    return InvalidRequestError([FieldError("loras", key, params)])
