"""One engine child process and the socket to it, seen from the parent.

The child is `python -m app.engine.core` on an inherited socket pair, not a `multiprocessing` process: spawn would
import the parent's `__main__` again, whatever that is (launch.py, pytest, a notebook), and bring a resource tracker
along. The child's standard output is our standard error, because ours belongs to the ready line.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, cast

from app.engine.wire import FromChild, Setup, Stop, ToChild

ROOT: Final = Path(__file__).resolve().parents[2]
STDERR: Final = 2
TERM_GRACE: Final = 0.5
ASK_SECONDS: Final = 0.5
QUIET: Final = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}
# Our own settings: among them the first password and the database's, and the child is told what it needs.
OURS: Final = "ATELIER_"


class Child:
    """A running child. `send`, `ask_to_stop` and `end` may be called from any thread, `receive` from one."""

    def __init__(self, setup: Setup) -> None:
        """Starts the process. Raises OSError when the system refuses."""
        ours, theirs = socket.socketpair()
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                    [sys.executable, "-P", "-m", "app.engine.core", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=STDERR,
                    env={**_inherited(), **QUIET, "PYTHONPATH": os.pathsep.join(paths)},
                    pass_fds=[theirs.fileno()],
                )
            except OSError:
                ours.close()
                raise
        self._connection = Connection(ours.detach())
        self._sending = threading.Lock()
        self.send(setup)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: ToChild) -> None:
        """A child that is gone hears nothing; `receive` tells of its end."""
        with self._sending, contextlib.suppress(OSError):
            self._connection.send(message)

    def receive(self, timeout: float) -> FromChild | None:
        """The next message, or None after `timeout` seconds of silence. Raises EOFError once the child is gone."""
        try:
            if not self._connection.poll(timeout):
                return None
            return cast("FromChild", self._connection.recv())
        except OSError as error:
            raise EOFError from error

    def ask_to_stop(self) -> None:
        """Whoever does not even read is left to `end`."""
        if self._sending.acquire(timeout=ASK_SECONDS):
            try:
                with contextlib.suppress(OSError):
                    self._connection.send(Stop())
            finally:
                self._sending.release()

    def end(self, timeout: float) -> int:
        """The exit code (negative: the signal) once the process has ended; it is killed after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        for wait, force in (
            (timeout - TERM_GRACE, self._process.terminate),
            (TERM_GRACE, self._process.kill),
        ):
            try:
                return self._process.wait(max(0.0, min(wait, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                force()
        return self._process.wait()

    def close(self) -> None:
        """Give the socket back; only after `end`, from the thread that receives."""
        with self._sending:
            self._connection.close()


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
