"""Live progress: the running step of each job, on top of what lets long polls sleep."""

import secrets
from dataclasses import dataclass

from app.scheduler.changes import Changes


@dataclass(frozen=True, slots=True)
class Live:
    """Denoising step `step` of picture `index` is done; `version` is when that was noted."""

    index: int
    step: int
    version: int


class Progress(Changes):
    """`process` tells processes apart: versions count within one."""

    def __init__(self) -> None:
        super().__init__()
        self.process = secrets.token_hex(4)
        self._live: dict[str, Live] = {}

    def live(self, job_id: str) -> Live | None:
        with self._lock:
            return self._live.get(job_id)

    def running(self) -> tuple[str, ...]:
        """The jobs that run in this process."""
        with self._lock:
            return tuple(self._live)

    def step(self, job_id: str, user_id: int, index: int, step: int) -> None:
        with self._lock:
            self._live[job_id] = Live(index, step, self.changed(user_id))

    def forget(self, job_id: str, user_id: int) -> None:
        with self._lock:
            self._live.pop(job_id, None)
            self.changed(user_id)
