"""Days as people write them."""

import re
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from app.domain.errors import FieldError, InvalidRequestError
from app.quota.ledger import Day, day_on

_WRITTEN: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_day(text: str, zone: ZoneInfo, field: str) -> Day:
    """A day of the studio's calendar. Raises InvalidRequestError that names the field."""
    try:
        if _WRITTEN.fullmatch(text):
            return day_on(date.fromisoformat(text), zone)
    except (ValueError, OverflowError):
        pass
    raise InvalidRequestError([FieldError(field, "field.day")])
