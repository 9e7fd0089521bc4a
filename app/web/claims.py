"""Whose Gradio session or event it is: the first who names one owns it. Gradio itself lets everybody use any."""

import json
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.datastructures import QueryParams

from app.domain.errors import BadRequestError

# Far more than the tabs of one person; each person's oldest go first, so that nobody can push out another's.
MOST_OF_ONE: Final = 1000
KEPT: Final = timedelta(hours=24)
FIELDS: Final = frozenset({"session_hash", "event_id"})
# Gradio takes any object with a text of this name for a file on the server.
FILE: Final = "path"
# The addresses in which Gradio carries them, and the last part of `call/{api_name}/{event_id}`.
IN_PATH: Final = re.compile(r"/gradio_api/(?:heartbeat/(?P<session>[^/]+)|call/[^/]+/(?P<event>[^/]+))")


class Claims:
    """Thread-safe, bounded, forgets what was not used for a day."""

    def __init__(self, on_forget: Callable[[str], None] = lambda _: None) -> None:
        """`on_forget` is told each name that is let go."""
        self._on_forget = on_forget
        self._lock = threading.Lock()
        self._owners: dict[str, int] = {}
        self._of_user: dict[int, OrderedDict[str, datetime]] = {}

    def claim(self, user_id: int, names: Iterable[str], now: datetime) -> bool:
        """Whether all of them are that user's; those that nobody has become so. All or none."""
        wanted = set(names)
        with self._lock:
            self._forget_old(now, user_id)
            if any(self._owners.get(name, user_id) != user_id for name in wanted):
                for other in list(self._of_user):
                    self._forget_old(now, other)
                if any(self._owners.get(name, user_id) != user_id for name in wanted):
                    return False
            mine = self._of_user.setdefault(user_id, OrderedDict())
            for name in wanted:
                self._owners[name] = user_id
                mine[name] = now
                mine.move_to_end(name)
            while len(mine) > MOST_OF_ONE:
                self._let_go(mine)
        return True

    def _forget_old(self, now: datetime, user_id: int) -> None:
        mine = self._of_user.get(user_id, OrderedDict())
        while mine and now - next(iter(mine.values())) > KEPT:
            self._let_go(mine)
        if not mine:
            self._of_user.pop(user_id, None)

    def _let_go(self, mine: OrderedDict[str, datetime]) -> None:
        name, _ = mine.popitem(last=False)
        del self._owners[name]
        self._on_forget(name)


@dataclass(frozen=True, slots=True)
class Named:
    """What a body speaks of: sessions and events, the number of the function, and whether it hands over files."""

    names: frozenset[str]
    has_files: bool
    fn_index: object = None


def named_in_address(path: str, query: QueryParams) -> set[str]:
    """The session and event that a request's address names."""
    found = IN_PATH.fullmatch(path)
    in_path = {part for part in found.groups() if part} if found else set()
    return in_path | {value for name, value in query.multi_items() if name in FIELDS}


def named_in_body(body: bytes) -> Named:
    """What a JSON body names, at any depth and however often. Raises BadRequestError."""
    names: set[str] = set()
    has_files = False

    def gather(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal has_files
        texts = [(name, value) for name, value in pairs if isinstance(value, str)]
        names.update(value for name, value in texts if name in FIELDS)
        has_files |= any(name == FILE for name, _ in texts)
        return dict(pairs)

    try:
        read = json.loads(body.decode(), object_pairs_hook=gather, parse_float=_finite, parse_constant=_finite)
        # Halves of a character, which JSON can name and nothing can write.
        json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadRequestError from None
    return Named(frozenset(names), has_files, read.get("fn_index") if isinstance(read, dict) else None)


def _finite(text: str) -> float:
    """Raises ValueError for numbers that the answer could not repeat."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number
