"""Finished pictures, kept to be given again: on this machine's disk, and in Redis for other servers."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from redis import RedisError

from app.domain.errors import UnavailableError
from app.domain.results import Result, ResultsStatus
from app.storage.disk_results import DiskResults
from app.storage.redis_results import RedisResults
from app.storage.seal import About, Seal

log = logging.getLogger(__name__)


class KeptResults:
    """The `Results` port. `most_bytes` 0 keeps nothing, and lets go of what was kept before."""

    def __init__(self, folder: Path, key_file: Path, most_bytes: int, shared: RedisResults | None = None) -> None:
        self._seal = Seal(key_file)
        self._disk = DiskResults(folder, most_bytes)
        self._shared = shared
        self._most = most_bytes
        self._lock = threading.Lock()
        self._hits = self._misses = 0

    @property
    def is_on(self) -> bool:
        return self._most > 0

    def find(self, recipe: bytes) -> Result | None:
        if not self.is_on:
            return None
        try:
            name = self._seal.name(recipe)
            for place in (self._disk, self._shared):
                packed = None if place is None else place.read(name)
                if place is None or packed is None:
                    continue
                if (result := self._seal.unpack(name, packed)) is not None:
                    return result
                log.warning("a kept picture is damaged and is made again")
                place.drop_name(name)
        except OSError as error:
            log.warning("a kept picture cannot be read: %s", error.strerror)
        return None

    def keep(self, recipe: bytes, result: Result) -> None:
        if not self.is_on:
            return
        of = About(result.picture_id, result.user_id)
        try:
            name = self._seal.name(recipe)
            packed = self._seal.pack(name, result)
            if self._shared is not None:
                self._shared.write(name, packed, of)
            self._disk.write(name, packed, of)
        except OSError as error:
            log.warning("a finished picture cannot be kept for the next time: %s", error.strerror)

    def forget_picture(self, picture_id: str) -> None:
        self._drop(lambda of: of.picture_id == picture_id)

    def forget_person(self, user_id: int) -> None:
        self._drop(lambda of: of.user_id == user_id)

    def picture_ids(self) -> frozenset[str]:
        try:
            abouts = self._disk.abouts()
        except OSError as error:
            log.warning("the kept pictures cannot be listed: %s", error.strerror)
            abouts = frozenset()
        return frozenset(of.picture_id for of in abouts | (self._shared.abouts() if self._shared else frozenset()))

    def clear(self) -> None:
        try:
            self._disk.clear()
            if self._shared is not None:
                self._shared.clear()
        except (OSError, RedisError) as error:
            log.error("the kept pictures cannot be removed: %s", type(error).__name__)
            raise UnavailableError from None

    def sweep(self, untouched: timedelta) -> None:
        try:
            self._disk.sweep(untouched.total_seconds())
        except OSError as error:
            log.warning("the kept pictures cannot be swept: %s", error.strerror)

    def note(self, *, hit: bool) -> None:
        with self._lock:
            self._hits += int(hit)
            self._misses += int(not hit)

    def status(self) -> ResultsStatus:
        try:
            entries, size = self._disk.size()
        except OSError:
            entries = size = 0
        return ResultsStatus(entries=entries, bytes=size, most_bytes=self._most, hits=self._hits, misses=self._misses)

    def close(self) -> None:
        if self._shared is not None:
            self._shared.close()

    def _drop(self, is_meant: Callable[[About], bool]) -> None:
        if self._shared is not None:
            self._shared.drop(is_meant)
        try:
            self._disk.drop(is_meant)
        except OSError as error:
            log.warning("a kept picture cannot be removed: %s", error.strerror)
