"""Files that are written whole or not at all: temporary file, fsync, rename, fsync of the folder; what can be made
again without the two."""

import contextlib
import errno
import os
import secrets
import time
from pathlib import Path
from typing import Final

PART: Final = ".part"
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_whole(path: Path, content: bytes, *, durably: bool = True) -> None:
    """Replace `path` by `content`. Raises OSError; then nothing of it stays.

    What can be made again need not be awaited: then a power cut, and nothing else, may leave a part of it.
    """
    _make_folder(path.parent)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        with part.open("wb") as file:
            file.write(content)
            if durably:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    if durably:
        _sync_folder(path.parent)


def remove_parts(folder: Path, untouched: float) -> int:
    """Remove the temporary files below `folder` that nobody has touched for so many seconds."""
    removed = 0
    for part in folder.rglob(f".*{PART}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime >= untouched:
                part.unlink()
                removed += 1
    return removed


def _make_folder(folder: Path) -> None:
    """Like mkdir with parents, and each new entry is on the disk before anything in it."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
