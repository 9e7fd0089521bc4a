"""Passwords, tokens, throttling and the table of permissions."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from app.auth import tokens
from app.auth.passwords import hash_password, needs_rehash, parse_password, spend_the_time, verify_password
from app.auth.policy import GRANTS, SCOPES, Permission, permissions
from app.auth.throttle import FREE_FAILURES, LONGEST_WAIT, LoginThrottle, wait_after
from app.domain.errors import InvalidRequestError, RateLimitedError
from app.domain.people import Principal, Role, Scope
from app.flows.studio import console

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_password_is_kept_as_argon2id_with_the_chosen_cost() -> None:
    kept = hash_password("correct horse battery")
    assert re.match(r"\$argon2id\$v=19\$m=47104,t=1,p=1\$", kept)
    assert not needs_rehash(kept)
    assert verify_password("correct horse battery", kept)
    assert not verify_password("correct horse batterz", kept)


def test_all_256_characters_of_a_password_matter_and_unicode_forms_are_one() -> None:
    kept = hash_password("é" * 255 + "a")
    assert verify_password("e\u0301" * 255 + "a", kept)
    assert not verify_password("é" * 255 + "b", kept)


def test_nobody_can_check_a_password_that_no_database_could_hold() -> None:
    kept = hash_password("correct horse battery")
    assert not verify_password("\ud800" * 12, kept)
    assert not verify_password("x" * 100_000, kept)
    spend_the_time("anything")


@pytest.mark.parametrize(
    "password", ["short", "password123", "PASSWORD123", "mei.lin.x", "aaaaaaaaaaaa", "x" * 257, 12, None]
)
def test_weak_passwords_are_refused(password: object) -> None:
    with pytest.raises(InvalidRequestError):
        parse_password(password, "mei.lin.x")


def test_no_composition_is_demanded() -> None:
    assert parse_password("only lower case words", "mei") == "only lower case words"


def test_a_token_is_recognised_by_its_checksum() -> None:
    token, parts = tokens.mint()
    assert tokens.parse(token) == parts
    assert tokens.matches(parts, tokens.hash_of(parts))
    flipped = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert tokens.parse(flipped) is None
    assert tokens.parse("") is None


def test_waits_grow_and_end_at_a_quarter_of_an_hour() -> None:
    waits = [wait_after(failures, 5).total_seconds() for failures in (4, 5, 6, 7, 50)]
    assert waits == [0, 2, 4, 8, LONGEST_WAIT.total_seconds()]


def test_a_strangers_tries_do_not_lock_other_accounts_and_end_by_themselves() -> None:
    throttle = LoginThrottle()
    for _ in range(FREE_FAILURES):
        throttle.attempt("mei", "10.0.0.1", NOW)
    with pytest.raises(RateLimitedError) as refused:
        throttle.attempt("mei", "10.0.0.2", NOW)
    assert refused.value.retry_after == 2
    assert [throttle.is_news("mei") for _ in range(2)] == [True, False]
    throttle.attempt("bob", "10.0.0.1", NOW)
    throttle.attempt("mei", "10.0.0.2", NOW + timedelta(seconds=3))


def test_tries_at_the_same_time_count_each_other() -> None:
    throttle, together = LoginThrottle(), threading.Barrier(20)

    def attempt(_: int) -> bool:
        together.wait(5)
        try:
            throttle.attempt("mei", "10.0.0.1", NOW)
        except RateLimitedError:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(attempt, range(20))) == FREE_FAILURES


def test_a_success_takes_its_own_try_back() -> None:
    throttle = LoginThrottle()
    for _ in range(100):
        throttle.attempt("mei", "10.0.0.1", NOW)
        throttle.succeeded("mei", "10.0.0.1")
    assert not throttle.is_news("mei")


def test_an_address_that_tries_many_names_must_wait_too_but_not_a_shared_tunnel() -> None:
    throttle = LoginThrottle()
    for number in range(20):
        throttle.attempt(f"user{number}", "10.0.0.1", NOW)
        throttle.attempt(f"guest{number}", "127.0.0.1", NOW)
    with pytest.raises(RateLimitedError):
        throttle.attempt("fresh", "10.0.0.1", NOW)
    throttle.attempt("fresh", "127.0.0.1", NOW)


def test_roles_build_on_each_other_and_guests_never_generate() -> None:
    assert GRANTS[Role.GUEST] < GRANTS[Role.MEMBER] < GRANTS[Role.ADMIN] == frozenset(Permission)
    assert Permission.JOB_CREATE not in GRANTS[Role.GUEST]


@pytest.mark.parametrize("scope", list(Scope))
def test_a_scope_only_narrows_and_never_manages_the_account(scope: Scope) -> None:
    admin = console(NOW)
    narrowed = Principal(user=admin.user, limits=admin.limits, scopes=frozenset({scope}))
    assert permissions(narrowed) == SCOPES[scope]
    assert Permission.ACCOUNT_MANAGE not in permissions(narrowed)
