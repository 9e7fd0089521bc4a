"""Days as people write them."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from app.domain.errors import InvalidRequestError
from app.flows.days import parse_day

SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_a_day_begins_at_midnight_of_the_studio() -> None:
    day = parse_day("2026-11-23", SHANGHAI, "day")
    assert (day.date, day.starts_at.isoformat()) == (date(2026, 11, 23), "2026-11-22T16:00:00+00:00")


@pytest.mark.parametrize(
    "text", ["", "20261123", "2026-W48-1", "2026-11-31", "2026-1-2", "2026-11-23T00:00", "0000-01-01", "9999-12-31"]
)
def test_anything_else_is_no_day_and_names_the_field(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_day(text, SHANGHAI, "from")
    assert [(each.field, each.key) for each in refused.value.errors] == [("from", "field.day")]
