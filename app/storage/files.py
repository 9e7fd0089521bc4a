"""Files that are written whole or not at all: temporary file, fsync, rename, fsync of the folder."""

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

PART: Final = ".part"
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_whole(path: Path, content: bytes) -> None:
    """Replace `path` by `content`. Raises OSError; then nothing of it stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}{PART}")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    _sync_folder(path.parent)


def remove_parts(folder: Path) -> int:
    """Remove the temporary files that a crash left below `folder`."""
    removed = 0
    for part in folder.rglob(f".*{PART}"):
        part.unlink(missing_ok=True)
        removed += 1
    return removed


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
