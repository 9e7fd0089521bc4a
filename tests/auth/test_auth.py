"""Tokens, throttling and the table of permissions."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from app.auth import tokens
from app.auth.policy import GRANTS, SCOPES, Permission, permissions
from app.auth.rates import Rates
from app.auth.throttle import (
    FORGET_AFTER,
    FREE_FAILURES,
    LONGEST_WAIT,
    Failures,
    network_of,
    one_more,
    still_to_wait,
    wait_after,
)
from app.domain.errors import RateLimitedError
from app.domain.people import Principal, Role, Scope
from app.flows.studio import console

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_token_is_recognised_by_its_checksum() -> None:
    token, parts = tokens.mint()
    assert tokens.parse(token) == parts
    assert tokens.matches(parts, tokens.hash_of(parts))
    flipped = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert tokens.parse(flipped) is None
    assert tokens.parse("") is None


def test_waits_grow_and_end_at_a_quarter_of_an_hour() -> None:
    waits = [wait_after(failures).total_seconds() for failures in (4, 5, 6, 7, 50)]
    assert waits == [0, 2, 4, 8, LONGEST_WAIT.total_seconds()]


def test_failures_are_forgotten_after_an_hour_and_begin_again() -> None:
    known = Failures(FREE_FAILURES + 3, NOW)
    assert still_to_wait(known, NOW) == timedelta(seconds=16)
    assert still_to_wait(known, NOW + FORGET_AFTER) <= timedelta(0)
    assert one_more(known, NOW + FORGET_AFTER).count == 1
    assert one_more(known, NOW).count == FREE_FAILURES + 4


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1/32"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("", ""),
        ("a", ""),
    ],
)
def test_failures_count_for_a_household_and_not_for_whoever_comes_through_a_tunnel(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.fixture(params=["memory", "redis"])
def rates(request: pytest.FixtureRequest) -> Rates:
    return Rates() if request.param == "memory" else Rates(request.getfixturevalue("redis_url"))


@pytest.mark.usefixtures("whole_minute")
def test_a_rate_is_a_moving_window_for_each_one(rates: Rates) -> None:
    who = secrets.token_hex(4)
    for _ in range(3):
        rates.spend("test", who, 3)
    with pytest.raises(RateLimitedError) as refused:
        rates.spend("test", who, 3)
    assert 1 <= refused.value.retry_after <= 60
    rates.spend("test", f"{who}x", 3)
    with pytest.raises(RateLimitedError):
        rates.require("test", who, 3)
    assert not rates.count("test", who, 3)


@pytest.mark.usefixtures("whole_minute")
def test_uses_at_the_same_time_count_each_other(rates: Rates) -> None:
    who = secrets.token_hex(4)
    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(lambda _: rates.count("race", who, 10), range(40))) == 10


@pytest.mark.usefixtures("whole_minute")
def test_without_its_redis_a_rate_is_still_a_limit() -> None:
    rates = Rates("redis://127.0.0.1:1/0")
    rates.spend("test", "mei", 1)
    with pytest.raises(RateLimitedError):
        rates.spend("test", "mei", 1)


@pytest.mark.parametrize(
    ("networks", "address", "may"),
    [
        ([], "10.0.0.7", True),
        (["10.0.0.7/32"], "10.0.0.7", True),
        (["10.0.0.7/32"], "10.0.0.8", False),
        (["2001:db8::/32"], "2001:db8::5", True),
        (["2001:db8::/32"], "10.0.0.7", False),
        (["10.0.0.0/8"], "", False),
    ],
)
def test_a_token_works_only_from_its_addresses(networks: list[str], address: str, *, may: bool) -> None:
    assert tokens.may_come_from(networks, address) is may


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.7", "10.0.0.7"),
        (" 10.0.0.7/8 ", "10.0.0.0/8"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("2001:DB8::/32", "2001:db8::/32"),
    ],
)
def test_a_network_is_written_in_one_way(text: str, network: str) -> None:
    assert tokens.parse_network(text) == network


@pytest.mark.parametrize("text", ["::ffff:0.0.0.0/96", "0.0.0.0/0", "::/0", "host", "10.0.0.0/33", ""])
def test_a_network_that_is_none_or_everybody_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        tokens.parse_network(text)


def test_roles_build_on_each_other_and_guests_never_generate() -> None:
    assert GRANTS[Role.GUEST] < GRANTS[Role.MEMBER] < GRANTS[Role.ADMIN] == frozenset(Permission)
    assert Permission.JOB_CREATE not in GRANTS[Role.GUEST]


@pytest.mark.parametrize("scope", list(Scope))
def test_a_scope_only_narrows_and_never_manages_the_account(scope: Scope) -> None:
    admin = console(NOW)
    narrowed = Principal(user=admin.user, limits=admin.limits, scopes=frozenset({scope}))
    assert permissions(narrowed) == SCOPES[scope]
    assert Permission.ACCOUNT_MANAGE not in permissions(narrowed)
