"""Finished pictures that are kept to be given again, and what makes two pictures one and the same."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import timedelta
from typing import Final, Protocol

from app.domain.ports import EngineRequest, PictureOrder

# They name the asking, not the picture; of the `pictures` each one's seed takes part.
IRRELEVANT: Final = frozenset({"job_id", "attempt", "pictures", "alone"})
# Two cards of one kind make the same pixels, whatever their numbers.
_CARD: Final = re.compile(r"^cuda:[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished picture, with no word about its owner in the PNG, and its WebP thumbnail. `picture_id` is whose copy
    it is, `user_id` who owns that one, `facts` are those of the engine that made it."""

    png: bytes = field(repr=False)
    thumbnail: bytes = field(repr=False)
    facts: Mapping[str, str]
    picture_id: str
    user_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsStatus:
    """What is kept on this machine's disk, and how many pictures came from it (`hits`) or had to be made (`misses`)
    since this process began. `most_bytes` 0: nothing is kept."""

    entries: int
    bytes: int
    most_bytes: int
    hits: int
    misses: int


class Results(Protocol):
    """A cache: losing it loses nothing, and a disk or a Redis that is away makes it empty. Any thread may call."""

    @property
    def is_on(self) -> bool: ...

    def find(self, recipe: bytes) -> Result | None:
        """What was kept under that recipe; None, too, if a single bit of it is not as it was."""

    def keep(self, recipe: bytes, result: Result) -> None:
        """Whatever was used longest ago makes room."""

    def forget_picture(self, picture_id: str) -> None: ...

    def forget_person(self, user_id: int) -> None: ...

    def picture_ids(self) -> frozenset[str]:
        """Of whose copies something is kept."""

    def clear(self) -> None:
        """Everybody's. Raises UnavailableError, which nothing else here does."""

    def sweep(self, untouched: timedelta) -> None:
        """Let go of what is beyond the limit, which may be lower than before, and of temporary files that nobody has
        touched for so long."""

    def note(self, *, hit: bool) -> None:
        """One picture was given from here, or had to be made."""

    def status(self) -> ResultsStatus: ...

    def close(self) -> None: ...


TILED: Final = "decoded"
"""The fact of a picture that was decoded in tiles, for want of memory."""


def recipe_text(request: EngineRequest, order: PictureOrder, facts: Mapping[str, str], owner_id: int | None) -> bytes:
    """The one way to write down what decides the pixels: with the `facts` of the engine, and for whom it is kept
    (None: for everybody). Every field of the request takes part that is not known to be irrelevant.

    Raises TypeError for a field whose value has no one way to be written.
    """
    asked = {field.name: getattr(request, field.name) for field in fields(request) if field.name not in IRRELEVANT}
    if request.guidance_scale <= 0:  # then nobody reads it
        asked["negative_prompt"] = ""
    made_by = {name: _CARD.sub("cuda", fact) for name, fact in facts.items()}
    whole = {"asked": asked, "seed": order.seed, "facts": made_by, "owner": owner_id}
    return json.dumps(whole, sort_keys=True, default=_written).encode()


def _written(value: object) -> object:
    if isinstance(value, bytes):
        return {"sha256": hashlib.sha256(value).hexdigest()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"a {type(value).__name__} cannot take part in a recipe")
