"""How long named pieces of work take, in whatever threads they run: by the clock, and of our own processor."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Taken:
    """Seconds."""

    wall: float = 0.0
    own: float = 0.0

    def add(self, wall: float, own: float) -> None:
        self.wall, self.own = self.wall + wall, self.own + own


class Spans:
    """Counts from `go_on` to `halt`, all in all and by name. What is measured inside of something else counts there
    and not twice. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = threading.local()
        # Guarded by the lock:
        self._whole = Taken()
        self._named: dict[str, Taken] = defaultdict(Taken)
        self._since: tuple[float, float] | None = None

    def go_on(self) -> None:
        with self._lock:
            self._since = time.perf_counter(), time.process_time()

    def halt(self) -> None:
        with self._lock:
            if self._since is not None:
                wall, own = self._since
                self._whole.add(time.perf_counter() - wall, time.process_time() - own)
            self._since = None

    def take(self) -> tuple[Taken, Mapping[str, Taken]]:
        """The whole, and its named parts, since the last call."""
        with self._lock:
            taken = self._whole, self._named
            self._whole, self._named = Taken(), defaultdict(Taken)
        return taken

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Counted if it ends while the whole is counted."""
        outer: Taken = getattr(self._within, "inner", Taken())
        inner = self._within.inner = Taken()
        wall, own = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            wall, own = time.perf_counter() - wall, time.thread_time() - own
            outer.add(wall, own)
            self._within.inner = outer
            with self._lock:
                if self._since is not None:
                    self._named[name].add(wall - inner.wall, own - inner.own)

    def around(self, name: str, work: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
        def measured(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
            with self.span(name):
                return work(*args, **kwargs)

        return measured
