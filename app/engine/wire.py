"""What parent and engine child say to each other: pickled dataclasses over one socket pair."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.generation import MAX_SIDE
from app.domain.ports import EngineEvent, EngineRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The child's first message: what to load and where, and how to log; `log_level` is a number of `logging`, all else
    as the flags, `hub_endpoint` empty for the library's own choice. `threads` 0: as many as torch takes by itself."""

    model: str
    source: str
    hub_endpoint: str
    device: str
    models_dir: Path
    profile: str
    threads: int
    log_level: int
    log_format: str


@dataclass(frozen=True, slots=True)
class Run:
    """Make these pictures. `run_id` is new for each run, so that events of an abandoned one are recognised."""

    run_id: int
    request: EngineRequest


@dataclass(frozen=True, slots=True)
class Cancel:
    run_id: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End the running step, then the process."""


ToChild = Setup | Run | Cancel | Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which model it will be, on which device, and how many `cards` there are besides a CPU."""

    model: str
    device: str
    demo: bool
    cards: int = 1


@dataclass(frozen=True, slots=True)
class Downloading:
    """`fraction` of the bytes are here, 0..1."""

    fraction: float


@dataclass(frozen=True, slots=True)
class Loading:
    """The folder is complete and is being read."""

    folder: Path


@dataclass(frozen=True, slots=True)
class Warming:
    """Each usual size is made once; `fraction` of them are."""

    fraction: float
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ready:
    """Runs are served from now on; at most so many pictures share a step. Said again when memory proved too small.

    `profile` is what was chosen for the device, `largest_side` what a picture of equal sides may measure in pixels;
    `notice` is a catalogue key with `params` for administrators, where something is not as it was meant. Pictures have
    these `facts`.
    """

    most: int
    profile: str = ""
    largest_side: int = MAX_SIDE
    facts: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""
    params: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the device that are in use and that there are; of a CPU, this process's and the computer's."""

    used: int
    total: int


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """There will be no pipeline, and the child ends. `retry`: another try may succeed without a person's help."""

    reason: str
    params: Mapping[str, str | int | float]
    retry: bool


@dataclass(frozen=True, slots=True)
class Happened:
    run_id: int
    event: EngineEvent


@dataclass(frozen=True, slots=True)
class RunDone:
    run_id: int


@dataclass(frozen=True, slots=True)
class RunCancelled:
    run_id: int


@dataclass(frozen=True, slots=True)
class RunFailed:
    run_id: int
    code: str


RunEnd = RunDone | RunCancelled | RunFailed
FromChild = Chosen | Downloading | Loading | Warming | Ready | Memory | LoadFailed | Happened | RunEnd
