"""What the flows need from the machine: pixels, a disk and a clock. Real parts and fakes obey the same tests."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from app.domain.editing import denoising_steps
from app.domain.loras import LoraUse


class Clock(Protocol):
    """Wall-clock time, aware, in UTC."""

    def now(self) -> datetime: ...


class EngineState(StrEnum):
    """`starting` until a child answers; `warming` while each usual size is made once; `failed` keeps its reason until
    the next try; `unloaded` by an administrator, until the next load."""

    STARTING = "starting"
    DOWNLOADING = "downloading"
    LOADING = "loading"
    WARMING = "warming"
    READY = "ready"
    FAILED = "failed"
    UNLOADED = "unloaded"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStatus:
    """One child and its device. Memory in bytes, None where it is not known; `seconds` is the time of one megapixel
    in one step as last measured, None before; `most` pictures of up to 512x512 share a step; `largest_side` is what
    a picture of equal sides may measure in pixels."""

    name: str
    device: str = ""
    state: EngineState
    profile: str = ""
    memory_used: int | None = None
    memory_total: int | None = None
    seconds: float | None = None
    most: int = 1
    largest_side: int = 2048
    running: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """What the engine is doing. `reason` is a catalogue key with `params`; `progress` is 0..1 or None.

    While another model is on its way, `coming` names it and `coming_state` and `progress` say how far it is; the state
    is that of the model that serves. Where it has failed and the old one stays, `reason` says why beside `ready`.
    `notice` is a catalogue key with `notice_params`, for administrators: it serves, but not as it was meant to.
    `facts` are those that its pictures have, known as soon as it is ready; empty before.
    """

    state: EngineState
    model: str = ""
    device: str = ""
    demo: bool = False
    progress: float | None = None
    reason: str = ""
    params: Mapping[str, str | int | float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    coming: str = ""
    coming_state: EngineState | None = None
    notice: str = ""
    notice_params: Mapping[str, str | int | float] = field(default_factory=dict)
    slots: tuple[SlotStatus, ...] = ()

    @property
    def takes_jobs(self) -> bool:
        """Whether jobs are accepted: while a model is on its way they wait for it."""
        closed = self.state in {EngineState.FAILED, EngineState.UNLOADED, EngineState.STOPPED}
        return not closed or self.coming_state not in {None, EngineState.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOrder:
    """One picture to make: its place in the job and its own seed."""

    index: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """Pixels wanted. Knows no users, quota, files or HTTP. Sides in pixels; `prompt` is free of control tokens.

    One that is to be made `alone` has a child to itself, since a child was lost under it before.
    An `exact` one shares its steps with nobody, so that its pixels depend on nothing else. `image` and `mask` are files
    as Pillow reads them, fitted to the sides by whoever makes the picture; `strength` is None without an image.
    """

    job_id: str
    attempt: int
    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance_scale: float
    pictures: tuple[PictureOrder, ...]
    exact: bool = False
    alone: bool = False
    image: bytes | None = field(default=None, repr=False)
    mask: bytes | None = field(default=None, repr=False)
    strength: float | None = None
    loras: tuple[LoraUse, ...] = ()

    @property
    def denoising_steps(self) -> int:
        """How many of `steps` are really made."""
        return denoising_steps(self.steps, self.strength)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """Denoising step `step` (1..denoising_steps) of picture `index` has ended; `shared` pictures had it together."""

    index: int
    step: int
    shared: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewMade:
    """What picture `index` promises to be after step `step`: a small WebP, for the owner's eyes only."""

    index: int
    step: int
    webp: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureMade:
    """An encoded PNG and its WebP thumbnail. `seconds` is the time it took; `facts` is what making it again would
    need: model, revision, dtype, device, profile, library versions."""

    index: int
    seed: int
    png: bytes = field(repr=False)
    thumbnail: bytes = field(repr=False)
    seconds: float
    facts: Mapping[str, str]


EngineEvent = StepDone | PreviewMade | PictureMade


class EngineCancelledError(Exception):
    """The run was cancelled; it ended within one denoising step."""


class EngineLostError(Exception):
    """The engine child died, hung or was stopped under the run; the same request may be tried again."""


class PictureNotKeptError(Exception):
    """The disk refused a picture: `code` is the job's error code, `disk-full` or `storage-error`."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


OUT_OF_MEMORY: Final = "out-of-memory"
LORAS_TOO_LARGE: Final = "loras-too-large"
LACKS_OF_MEMORY: Final = frozenset({OUT_OF_MEMORY, LORAS_TOO_LARGE})
"""Codes of EngineRunError: what others held a moment ago may be free by now. Only the first is the picture's size."""


class EngineRunError(Exception):
    """The run itself failed and would fail again: `code` is the job's error code (see `messages`)."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Engine(Protocol):
    """One place that makes pictures. Runs that overlap share steps or wait for each other. Methods may be called from
    any thread."""

    def start(self) -> None:
        """Begin to load; returns at once."""

    def stop(self, timeout: float) -> None:
        """End the running step and the child; after `timeout` seconds the child is killed. The state is
        STOPPED from the call on; a running `run` raises EngineLostError."""

    def status(self) -> EngineStatus: ...

    def load(self, model: str) -> None:
        """Begin to load this model, named as `--model` names it; returns at once. Whatever serves goes on serving
        until the new one is ready, or as long as memory allows, and stays if the new one fails."""

    def unload(self) -> None:
        """End the children once what they run is done, and give their memory back; jobs wait for the next `load`."""

    def run(self, request: EngineRequest) -> Iterator[EngineEvent]:
        """Yield events until all pictures are made.

        Raises EngineCancelledError, EngineLostError or EngineRunError (`out-of-memory`, `invalid-pixels`,
        `prompt-too-long`, `unreadable-image`, `lora-unusable`, `loras-too-large`, `engine-error`).
        """

    def has_room(self, running: Sequence[EngineRequest], request: EngineRequest) -> bool:
        """Whether `request`, begun now, would begin at once beside those that are `running`, or about to: on a device
        that has nothing to do, or in the steps of others."""

    def cancel(self, job_id: str) -> None:
        """End the run of that job within one denoising step; nothing happens if it is not running."""

    def count_tokens(self, text: str) -> int | None:
        """Tokens of the prompt for the loaded model; None while no tokenizer is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPicture:
    """What storage knows of a kept picture; `path` is relative to the outputs directory."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRecipe:
    """What was asked for, and what names the file. `local_time` is the click's, in the configured zone."""

    picture_id: str
    username: str
    local_time: datetime
    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance_scale: float
    seed: int
    image: str | None = None
    mask: str | None = None
    strength: float | None = None
    loras: tuple[LoraUse, ...] = ()


class Vault(Protocol):
    """Pictures on disk. A file is written whole or not at all."""

    def path_of(self, recipe: PictureRecipe) -> str:
        """The relative path that `keep` writes to; a function of id, name, time and seed alone."""

    def keep(self, recipe: PictureRecipe, png: bytes, thumbnail: bytes, facts: Mapping[str, str]) -> StoredPicture:
        """Write the picture with its metadata, and its thumbnail, whole or not at all. Raises PictureNotKeptError."""

    def discard(self, path: str, picture_id: str) -> None:
        """Remove picture and thumbnail if they are there."""

    def original(self, path: str) -> Path:
        """Absolute path of the original. Raises NotFoundError if it is gone."""

    def thumbnail(self, path: str, picture_id: str) -> Path:
        """Absolute path of the WebP thumbnail, made again if it is gone. Raises NotFoundError with the original."""

    def size(self, path: str) -> int | None:
        """Bytes of the original; None if it is gone."""

    def paths(self) -> frozenset[str]:
        """The paths of all originals on disk."""

    def of_days(self, days: Iterable[date]) -> Mapping[str, str]:
        """The originals in the folders of these days: relative path by picture id."""

    def set_aside(self, path: str) -> None:
        """Move an original that nobody knows out of the outputs directory, where it can be looked at."""

    def sweep(self, untouched: timedelta) -> int:
        """Remove half-written files that nobody has touched for so long; answers how many."""


class InitialPassword(Protocol):
    """The first administrator's random password, kept in a file of the data directory until it is changed."""

    def keep(self, password: str) -> None: ...

    def kept(self) -> bool: ...

    def forget(self, is_it: Callable[[str], bool]) -> None:
        """Remove the file if `is_it` recognises the password in it."""
