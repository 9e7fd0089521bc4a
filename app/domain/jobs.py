"""Jobs and the pictures they make: states, the moves between them, and what is known of each."""

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from app.domain.editing import denoising_steps
from app.domain.loras import LoraUse


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED: Final = frozenset({JobState.QUEUED, JobState.RUNNING})
# Running goes back to queued when the server stops or the engine child is lost.
MOVES: Final = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset[JobState](),
    JobState.FAILED: frozenset[JobState](),
    JobState.CANCELLED: frozenset[JobState](),
}
MAX_LOSSES: Final = 3
_ID: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One click. `attempt` grows with each claim and fences late results; `losses` counts crashes under it.

    `vstart` and `vfinish` are its turn in virtual time (see `scheduler.fairness`).
    `worker` is the process that runs it, believed to be alive until `lease_until`.
    """

    seq: int
    id: str
    user_id: int
    username: str
    department: str
    state: JobState
    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance_scale: float
    seed: int
    count: int
    exact: bool
    bulk: bool
    image: str | None
    mask: str | None
    strength: float | None
    loras: tuple[LoraUse, ...]
    vstart: int
    vfinish: int
    cost: int
    work: float
    day: date
    attempt: int
    losses: int
    revision: int
    error_code: str | None
    worker: str | None
    lease_until: datetime | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def denoising_steps(self) -> int:
        """How many of `steps` are really made."""
        return denoising_steps(self.steps, self.strength)

    @property
    def pixel_steps(self) -> int:
        return self.width * self.height * self.denoising_steps * self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One finished picture; `path` is relative to the outputs directory, `seconds` the time it took to make.

    `cached`: it was given from what was made before; `charged`: it counts in the quota.
    """

    seq: int
    id: str
    job_id: str
    user_id: int
    index: int
    seed: int
    width: int
    height: int
    path: str
    sha256: str
    size: int
    seconds: float
    favourite: bool
    cached: bool
    charged: bool
    created_at: datetime
    prompt: str
    negative_prompt: str
    steps: int
    guidance_scale: float


def is_id(text: str) -> bool:
    """Whether `text` could be the id of a job or a picture."""
    return _ID.fullmatch(text) is not None


def picture_id(job_id: str, index: int) -> str:
    """The same picture of the same job always gets the same id, so a second attempt replaces its own file."""
    return hashlib.sha256(f"{job_id}/{index}".encode()).hexdigest()[:16]
