"""Small things that every repository does with rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, Row

from app.domain.errors import FieldError, InvalidRequestError

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
Item = TypeVar("Item")


class Repository:
    """Base of the repositories: one connection, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A list and the cursor of what follows, None at the end."""

    items: tuple[Item, ...]
    next_cursor: str | None


def before(cursor: str | None) -> int | None:
    """The row number that a cursor stands for; an unknown cursor is an invalid request."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and 0 < len(cursor) < 19):  # noqa: PLR2004 - 64 bits
        raise InvalidRequestError([FieldError("cursor", "field.cursor")])
    return int(cursor)


def page(rows: Sequence[Row[Any]], limit: int, make: Callable[[Row[Any]], Item], number: str) -> Page[Item]:
    """A page out of `limit + 1` rows that were asked for; `number` is the column that orders them."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(tuple(make(row) for row in shown), str(getattr(shown[-1], number)) if more else None)
