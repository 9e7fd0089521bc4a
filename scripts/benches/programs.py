"""What a siege kills: the real program, or the one that loads once and starts servers with a fake engine fast."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

ROOT: Final = Path(__file__).resolve().parents[2]
END_SECONDS: Final = 20.0
LOG: Final = "server.log"


class Server(Protocol):
    """One run."""

    def ended(self) -> bool: ...

    def kill(self) -> None:
        """As the power cut does it; returns when it is gone."""

    def stop(self) -> int:
        """Politely; the exit code."""


class Program(Protocol):
    def start(self) -> Server: ...


class _Process:
    """A server of `_Real`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(END_SECONDS)

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(END_SECONDS)


class _Real:
    """`launch.py` with the demo model, from its very beginning each time."""

    def __init__(self, folder: Path, flags: Sequence[str], log: IO[bytes]) -> None:
        self._command = [sys.executable, str(ROOT / "launch.py"), "--model", "demo", *flags]
        self._folder, self._log = folder, log

    def start(self) -> _Process:
        nothing = subprocess.DEVNULL
        process = subprocess.Popen(
            self._command, cwd=self._folder, env=_environment(), stdin=nothing, stdout=nothing, stderr=self._log
        )
        return _Process(process)


class _Forked:
    """A server of `_Fake`: `said` is where its parent tells the exit code."""

    def __init__(self, pid: int, said: IO[bytes]) -> None:
        self._pid, self._said = pid, said
        self._code: int | None = None

    def ended(self) -> bool:
        return self._wait(0) is not None

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def stop(self) -> int:
        return self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> int:
        if not self.ended():
            os.kill(self._pid, number)
        if (code := self._wait(END_SECONDS)) is None:
            raise SystemExit(f"the server did not end by {number.name}")
        return code

    def _wait(self, seconds: float) -> int | None:
        if self._code is None and select.select([self._said], [], [], seconds)[0]:
            self._code = int(self._said.readline())
        return self._code


class _Fake:
    """tests/crash/fake_server.py, loaded once."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def start(self) -> _Forked:
        asked, said = self._process.stdin, self._process.stdout
        if asked is None or said is None:
            raise TypeError
        asked.write(b"start\n")
        asked.flush()
        return _Forked(int(said.readline()), said)


@contextmanager
def real_program(folder: Path, flags: Sequence[str]) -> Iterator[Program]:
    with (folder / LOG).open("ab") as log:
        yield _Real(folder, flags, log)


@contextmanager
def fake_program(folder: Path, flags: Sequence[str]) -> Iterator[Program]:
    command = [sys.executable, str(ROOT / "tests/crash/fake_server.py"), *flags]
    with (folder / LOG).open("ab") as log:
        # Without buffers: what was read ahead would be missed by whoever waits for it.
        process = subprocess.Popen(
            command,
            bufsize=0,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    with process:
        yield _Fake(process)
        # The end of its input is the end of the program.


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "ATELIER_"))}
