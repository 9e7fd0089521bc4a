"""What parent and engine child say to each other: pickled dataclasses over one socket pair."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.domain.ports import EngineEvent, EngineRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The child's first message: what to load and where, and how to log; `log_level` is a number of `logging`."""

    model: str
    source: str
    device: str
    models_dir: Path
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
    """Which model it will be, on which device."""

    model: str
    device: str
    demo: bool


@dataclass(frozen=True, slots=True)
class Downloading:
    """`fraction` of the bytes are here, 0..1."""

    fraction: float


@dataclass(frozen=True, slots=True)
class Loading:
    """The folder is complete and is being read; its pictures will have these facts."""

    folder: Path
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ready:
    """Runs are served from now on; at most so many pictures share a step."""

    most: int


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
FromChild = Chosen | Downloading | Loading | Ready | LoadFailed | Happened | RunEnd
