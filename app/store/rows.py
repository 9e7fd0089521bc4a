"""Small things that every repository does with rows."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, CursorResult, Row, Update

from app.domain.errors import FieldError, InvalidRequestError

MAX_LIMIT: Final = 200
Item = TypeVar("Item")


class Repository:
    """Base of the repositories: one connection, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def changes(self, statement: Update) -> int:
        """Run it; how many rows it has changed."""
        result: CursorResult[Any] = self._connection.execute(statement)
        return result.rowcount


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A list and the cursor of what follows, None at the end."""

    items: tuple[Item, ...]
    next_cursor: str | None


def before(cursor: str | None, label: str) -> int | None:
    """The row number that a cursor of the list `label` stands for; any other text is an invalid request."""
    if cursor is None:
        return None
    number, _, check = cursor.partition("-")
    is_number = number.isascii() and number.isdecimal() and 0 < len(number) < 19  # noqa: PLR2004 - 64 bits
    if not is_number or check != _check(label, int(number)):
        raise InvalidRequestError([FieldError("cursor", "field.cursor")])
    return int(number)


def page(rows: Sequence[Row[Any]], limit: int, make: Callable[[Row[Any]], Item], number: str, label: str) -> Page[Item]:
    """A page out of `limit + 1` rows of the list `label` that were asked for, in the order of the column `number`."""
    shown = rows[:limit]
    if len(rows) <= limit:
        return Page(tuple(make(row) for row in shown), None)
    last = int(getattr(shown[-1], number))
    return Page(tuple(make(row) for row in shown), f"{last}-{_check(label, last)}")


def _check(label: str, number: int) -> str:
    """Tells a cursor that we gave out for this list from a guess, or from one of another list; it guards nothing."""
    return f"{zlib.crc32(f'{label}/{number}'.encode()):08x}"
