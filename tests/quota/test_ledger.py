"""Days and balances, without a database."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quota.ledger import Balance, day_of, day_on

ZONES = [
    "UTC",
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Africa/Cairo",
]


@pytest.mark.parametrize(
    ("zone", "moment", "expected"),
    [
        ("Asia/Shanghai", datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC), date(2026, 11, 22)),
        ("Asia/Shanghai", datetime(2026, 11, 22, 16, 0, tzinfo=UTC), date(2026, 11, 23)),
        ("America/New_York", datetime(2026, 11, 23, 4, 59, tzinfo=UTC), date(2026, 11, 22)),
    ],
)
def test_a_moment_belongs_to_the_day_of_the_configured_zone(zone: str, moment: datetime, expected: date) -> None:
    assert day_of(moment, ZoneInfo(zone)).date == expected


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_days_of_a_clock_change_are_23_or_25_hours_long(day: date, hours: int) -> None:
    found = day_on(day, ZoneInfo("Europe/Berlin"))
    assert found.ends_at - found.starts_at == timedelta(hours=hours)


@given(
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31)).map(lambda found: found.replace(tzinfo=UTC)),  # noqa: DTZ001
)
def test_every_moment_lies_in_exactly_its_own_day(zone: str, moment: datetime) -> None:
    day = day_of(moment, ZoneInfo(zone))
    assert day.starts_at <= moment < day.ends_at
    assert 1 <= day.seconds_left(moment) <= 25 * 3600


@given(allowance=st.integers(-1, 100), used=st.integers(0, 100), reserved=st.integers(0, 100))
def test_what_remains_is_never_negative(allowance: int, used: int, reserved: int) -> None:
    left = Balance(
        allowance=allowance, used=used, reserved=reserved, resets_at=datetime(2026, 1, 1, tzinfo=UTC)
    ).remaining
    assert (left is None) == (allowance < 0)
    assert left is None or left == max(0, allowance - used - reserved)
