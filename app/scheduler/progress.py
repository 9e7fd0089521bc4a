"""Live progress: the running step of each job and what its picture promises to be, on top of what lets long polls
sleep. In memory alone: a preview is on no disk and in no log."""

import secrets
import time
from dataclasses import dataclass, replace
from typing import Final

from app.scheduler.changes import Changes


@dataclass(frozen=True, slots=True)
class Live:
    """Denoising step `step` of picture `index` was done at `at` (`time.monotonic`), as change `version`; such a step
    takes `seconds`, if that was measured by now. `preview` names what can be seen of it, None while that is nothing.
    `user_id` is the job's owner, 0 before the first news."""

    index: int
    step: int
    version: int
    at: float
    seconds: float | None = None
    preview: int | None = None
    user_id: int = 0


NOTHING_DONE: Final = Live(0, 0, 0, 0.0)


class Progress(Changes):
    """`process` tells processes apart: versions count within one."""

    def __init__(self) -> None:
        super().__init__()
        self.process = secrets.token_hex(4)
        self._live: dict[str, Live] = {}
        self._previews: dict[str, bytes] = {}
        self._moved: dict[int, int] = {}
        self._noted: dict[int | None, int] = {}

    def live(self, job_id: str) -> Live | None:
        with self._lock:
            return self._live.get(job_id)

    def running(self) -> tuple[str, ...]:
        """The jobs that run in this process."""
        with self._lock:
            return tuple(self._live)

    def step(self, job_id: str, user_id: int, index: int, step: int, seconds: float | None = None) -> None:
        with self._lock:
            preview = self._live.get(job_id, NOTHING_DONE).preview
            version = self.changed(user_id)
            self._live[job_id] = Live(index, step, version, time.monotonic(), seconds, preview, user_id)

    def stepped(self, user_id: int, seen: int) -> tuple[str, ...]:
        """The user's jobs of which something happened here after that version."""
        with self._lock:
            return tuple(
                job_id for job_id, live in self._live.items() if live.user_id == user_id and live.version > seen
            )

    def take(self, job_id: str) -> Live | None:
        """Say that the job is about to run here, for `let_go` if it does not come to that; None if it runs already."""
        with self._lock:
            if job_id in self._live:
                return None
            self._live[job_id] = taken = Live(0, 0, 0, time.monotonic())
            return taken

    def let_go(self, job_id: str, taken: Live) -> None:
        """Unless somebody else runs it by now."""
        with self._lock:
            if self._live.get(job_id) is taken:
                del self._live[job_id]

    def show(self, job_id: str, user_id: int, webp: bytes) -> None:
        """The picture that is being made, as far as it is; nothing is kept of a job that does not run here."""
        with self._lock:
            if (live := self._live.get(job_id)) is not None:
                self._previews[job_id] = webp
                version = self.changed(user_id)
                self._live[job_id] = replace(live, version=version, preview=version)

    def preview(self, job_id: str) -> bytes | None:
        with self._lock:
            return self._previews.get(job_id)

    def hide(self, job_id: str) -> None:
        """That picture is done: the next preview is of another one."""
        with self._lock:
            self._previews.pop(job_id, None)
            if (live := self._live.get(job_id)) is not None:
                self._live[job_id] = replace(live, preview=None)

    def moved(self, user_id: int) -> None:
        """The user's waiting jobs have other places, or other times, than were told before."""
        with self._lock:
            self._moved[user_id] = self.changed(user_id)

    def moved_at(self, user_id: int) -> int:
        """The version of the last such change; 0 before any."""
        with self._lock:
            return self._moved.get(user_id, 0)

    def note(self, user_id: int | None = None) -> None:
        """Something that is no job changed for that user, or for everybody: a quota, the state of the service."""
        with self._lock:
            self._noted[user_id] = self.changed(user_id)

    def noted_at(self, user_id: int) -> int:
        """The version of the last such change; 0 before any."""
        with self._lock:
            return max(self._noted.get(user_id, 0), self._noted.get(None, 0))

    def forget(self, job_id: str, user_id: int) -> None:
        with self._lock:
            self._live.pop(job_id, None)
            self._previews.pop(job_id, None)
            self.changed(user_id)
