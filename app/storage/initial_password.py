"""The first administrator's random password, in a file that only the server's own user can read."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path


class InitialPasswordFile:
    """The `InitialPassword` port."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, password: str) -> None:
        self.path.unlink(missing_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(password + "\n")
            file.flush()
            os.fsync(file.fileno())

    def kept(self) -> bool:
        return self.path.is_file()

    def forget(self, is_it: Callable[[str], bool]) -> None:
        with contextlib.suppress(FileNotFoundError):
            if is_it(self.path.read_text(encoding="utf-8").strip()):
                self.path.unlink()
