"""Packed results as files, the least recently used gone first. The system's page cache keeps the hot ones in memory."""

import contextlib
import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.storage.files import PART, remove_parts
from app.storage.seal import HEADER_MOST, About, about

HALF_WRITTEN_SECONDS: Final = 600.0
NAME: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Entry:
    size: int
    about: About


class DiskResults:
    """At most `most_bytes` in `folder`, by an index in memory that is read from the folder when it is first needed.

    Thread-safe; raises OSError. Another process may take the folder away: then it is empty.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._lock = threading.Lock()
        self._index: OrderedDict[str, _Entry] | None = None
        self._bytes = 0

    def read(self, name: str) -> bytes | None:
        with self._lock:
            index = self._known()
            try:
                packed = (self._folder / name).read_bytes()
            except FileNotFoundError:
                self._lose(index, name)
                return None
            if name in index:
                index.move_to_end(name)
        with contextlib.suppress(OSError):  # the order of use outlives a restart, if it can
            os.utime(self._folder / name)
        return packed

    def write(self, name: str, packed: bytes, of: About) -> None:
        """Not awaited until it is on the disk: what a power cut leaves of it has no seal."""
        if len(packed) > self._most:
            return
        with self._lock:
            index = self._known()
            self._folder.mkdir(mode=0o700, exist_ok=True)
            part = self._folder / f".{name}.{secrets.token_hex(4)}{PART}"
            try:
                with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(packed)
                part.replace(self._folder / name)
            except OSError:
                part.unlink(missing_ok=True)
                raise
            self._lose(index, name)
            index[name] = _Entry(len(packed), of)
            self._bytes += len(packed)
            self._make_room(index)

    def drop(self, is_meant: Callable[[About], bool]) -> None:
        with self._lock:
            index = self._known()
            for name in [name for name, entry in index.items() if is_meant(entry.about)]:
                self._remove(index, name)

    def drop_name(self, name: str) -> None:
        with self._lock:
            self._remove(self._known(), name)

    def abouts(self) -> frozenset[About]:
        with self._lock:
            return frozenset(entry.about for entry in self._known().values())

    def size(self) -> tuple[int, int]:
        """Entries and bytes."""
        with self._lock:
            return len(self._known()), self._bytes

    def sweep(self, untouched: float) -> None:
        """Make room, and remove what was half written and not touched for so many seconds."""
        with self._lock:
            if self._folder.is_dir():
                remove_parts(self._folder, untouched)
            self._make_room(self._known())

    def clear(self) -> None:
        """The folder goes, with whatever else lies in it: another process that has it open notices by that."""
        with self._lock:
            for file in self._folder.iterdir() if self._folder.is_dir() else ():
                file.unlink(missing_ok=True)
            if self._folder.is_dir():
                self._folder.rmdir()
            self._index, self._bytes = None, 0

    def _known(self) -> OrderedDict[str, _Entry]:
        if self._index is None or (self._index and not self._folder.is_dir()):
            found = _scan(self._folder) if self._folder.is_dir() else []
            self._index = OrderedDict(found)
            self._bytes = sum(entry.size for entry in self._index.values())
        return self._index

    def _make_room(self, index: OrderedDict[str, _Entry]) -> None:
        while self._bytes > self._most:
            self._remove(index, next(iter(index)))

    def _remove(self, index: OrderedDict[str, _Entry], name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)
        self._lose(index, name)

    def _lose(self, index: OrderedDict[str, _Entry], name: str) -> None:
        if (entry := index.pop(name, None)) is not None:
            self._bytes -= entry.size


def _scan(folder: Path) -> list[tuple[str, _Entry]]:
    """Whatever can be read there, the least recently used first. What cannot goes, and what was half written long ago:
    younger parts may be another process's."""
    found = []
    for file in folder.iterdir():
        try:
            stat = file.stat()
            with file.open("rb") as opened:
                told = about(opened.read(HEADER_MOST)) if NAME.fullmatch(file.name) else None
        except FileNotFoundError:
            continue
        if told is not None:
            found.append((stat.st_mtime, file.name, _Entry(stat.st_size, told)))
        elif not file.name.endswith(PART) or time.time() - stat.st_mtime > HALF_WRITTEN_SECONDS:
            file.unlink(missing_ok=True)
    return [(name, entry) for _, name, entry in sorted(found, key=lambda each: each[:2])]
