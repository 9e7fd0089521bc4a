"""The real program as a process: `python launch.py`, with the demo model, on a free port."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from tests.engine.waiting import wait_for
from tests.houses import PASSWORD

ROOT: Final = Path(__file__).parents[1]
numbers = itertools.count(1)


class Served:
    """One run of the program in `folder`; started at once, stopped by `stop` or killed by `kill`."""

    def __init__(self, folder: Path, *flags: str, port: int | None = None, **variables: str) -> None:
        self.folder = folder
        self.port = free_port() if port is None else port
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "ATELIER_"))}
        command = [
            sys.executable,
            str(ROOT / "launch.py"),
            *places(folder),
            "--model",
            "demo",
            "--port",
            str(self.port),
        ]
        self._out, self._err = (folder / f"{name}-{next(numbers)}.txt" for name in ("out", "err"))
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [*command, *flags], cwd=folder, env=environment | variables, stdout=out, stderr=err
            )

    @property
    def out(self) -> list[str]:
        """The lines on standard output so far."""
        return self._out.read_text().splitlines(keepends=True)

    @property
    def err(self) -> list[str]:
        return self._err.read_text().splitlines(keepends=True)

    def until_ready(self) -> None:
        """The page can be opened and the model is loaded."""
        self.until_open()
        wait_for(lambda: self.get("/readyz") == 200, 90)

    def until_open(self) -> None:
        wait_for(lambda: bool(self.out) or self.process.poll() is not None, 60)
        assert self.process.poll() is None, "".join(self.err)

    def get(self, path: str) -> int:
        try:
            return httpx.get(self.url + path, timeout=10).status_code
        except httpx.HTTPError:
            return 0

    def engine(self) -> psutil.Process:
        """The engine's child process."""
        found: list[psutil.Process] = []

        def there() -> bool:
            children = psutil.Process(self.process.pid).children()
            found[:] = [child for child in children if "app.engine.core" in " ".join(child.cmdline())]
            return bool(found)

        wait_for(there, 30)
        return found[0]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def kill(self) -> None:
        """As the power cut does it."""
        self.process.kill()
        self.process.wait(10)

    def manage(self, *words: str, given: str | None = None) -> str:
        """`python -m app …` on the same data."""
        return manage(self.folder, *words, given=given).stdout

    def script_of(self, name: str, **fields: str) -> httpx.Client:
        """A new member's API client."""
        extra = [part for key, value in fields.items() for part in (f"--{key.replace('_', '-')}", value)]
        self.manage("user", "add", name, "--role", "member", "--password-stdin", *extra, given=PASSWORD)
        token = self.manage("token", "create", name, "--name", "test").splitlines()[-1]
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def manage(folder: Path, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", *words, *places(folder)[:4]]
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def places(folder: Path) -> list[str]:
    return [
        "--data-dir", str(folder / "data"),
        "--outputs-dir", str(folder / "outputs"),
        "--models-dir", str(folder / "models"),
    ]  # fmt: skip


@contextmanager
def serving(folder: Path, *flags: str, port: int | None = None, **variables: str) -> Iterator[Served]:
    served = Served(folder, *flags, port=port, **({"ATELIER_ADMIN_PASSWORD": PASSWORD} | variables))
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.kill()


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def job_of(client: httpx.Client, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/v1/jobs/{job_id}").json()
    return found


def until_ended(client: httpx.Client, job_id: str, seconds: float = 60) -> dict[str, Any]:
    wait_for(lambda: job_of(client, job_id)["state"] in {"succeeded", "failed", "cancelled"}, seconds)
    return job_of(client, job_id)


def json_lines(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]
