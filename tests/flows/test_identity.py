"""Sessions and waits as flows: what ends when, what is counted, what the trail tells."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from passlib.hash import argon2

from app.auth.throttle import FREE_FAILURES
from app.domain.errors import (
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    SignInFailedError,
)
from app.domain.people import Origin
from app.flows.account import change_password
from app.flows.identify import still_stands, who_has_session
from app.flows.sessions import end_session, end_sessions_of, list_sessions
from app.flows.sign_in import sign_in
from app.flows.users import change_user
from tests.houses import ORIGIN, PASSWORD, Building, make_house

AWAY = Origin(ip_address="10.0.0.7", request_id="away", user_agent="pytest")


def wrong(building: Building, name: str, origin: Origin = ORIGIN) -> None:
    with pytest.raises(SignInFailedError):
        sign_in(building.studio, name, "not this one", origin)


def test_a_session_lives_as_long_as_the_role_of_now_allows(building: Building) -> None:
    building.person("boss", "admin")
    building.person("mei")
    admin, member = (sign_in(building.studio, name, PASSWORD, ORIGIN) for name in ("boss", "mei"))
    building.clock.turn(hours=5)
    assert who_has_session(building.studio, admin) is None  # idle for more than an administrator's four hours
    assert who_has_session(building.studio, member) is not None
    for _ in range(7):
        building.clock.turn(hours=23)
        assert who_has_session(building.studio, member) is not None
    building.clock.turn(hours=3)
    assert who_has_session(building.studio, member) is None  # seven days at most, however busy


def test_nobody_has_more_sessions_than_the_list_shows(light: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.flows.sign_in.MOST_SESSIONS", 3)
    first = last = light.person("mei")
    for _ in range(4):
        light.clock.turn(minutes=1)
        last = light.signed_in("mei")
    assert not still_stands(light.studio, first)
    assert len(list_sessions(light.studio, last, ORIGIN)) == 3


def test_a_promotion_shortens_the_session_that_is_open(building: Building) -> None:
    building.person("mei")
    session = sign_in(building.studio, "mei", PASSWORD, ORIGIN)
    building.clock.turn(hours=5)
    change_user(building.studio, building.console(), "mei", {"role": "admin"}, ORIGIN)
    assert who_has_session(building.studio, session) is None


def test_only_own_live_sessions_are_listed_and_ended(building: Building) -> None:
    mei, bob = building.person("mei"), building.person("bob")
    listed = list_sessions(building.studio, mei, ORIGIN)
    assert [(row.id, row.ip_address, row.user_agent) for row in listed] == [(mei.session_id, "127.0.0.1", "pytest")]
    for nonsense in (str(bob.session_id), "0", "-1", "x", "9" * 30, "\N{ARABIC-INDIC DIGIT ONE}"):
        with pytest.raises(NotFoundError):
            end_session(building.studio, mei, nonsense, ORIGIN)
    assert still_stands(building.studio, bob)
    end_session(building.studio, mei, str(mei.session_id), ORIGIN)
    assert not still_stands(building.studio, mei)
    assert ("mei", "session:end", "ok") in building.actions()


def test_an_administrator_ends_a_users_sessions_and_a_member_nobodys(building: Building) -> None:
    mei, bob = building.person("mei"), building.person("bob")
    with pytest.raises(NotPermittedError):
        end_sessions_of(building.studio, bob, "mei", ORIGIN)
    assert still_stands(building.studio, mei)
    assert end_sessions_of(building.studio, building.console(), "mei", ORIGIN) == 1
    assert not still_stands(building.studio, mei)


def test_a_password_changed_or_account_disabled_while_it_was_checked_opens_nothing(light: Building) -> None:
    light.person("mei")
    studio = light.studio
    account = studio.store.read(lambda tx: tx.users.by_name("mei"))
    assert account is not None

    class DisabledMeanwhile:
        """Somebody disables the account between the check of the password and the new session."""

        def __init__(self) -> None:
            self.reads = 0

        def __getattr__(self, name: str) -> object:
            return getattr(studio.store, name)

        def read(self, work: object) -> object:
            found: object = studio.store.read(work)  # type: ignore[arg-type]
            change_user(studio, light.console(), "mei", {"disabled": True}, ORIGIN)
            return found

    raced = replace(studio, store=DisabledMeanwhile())  # type: ignore[arg-type]
    with pytest.raises(SignInFailedError):
        sign_in(raced, "mei", PASSWORD, ORIGIN)


@pytest.mark.usefixtures("real_hashes")
def test_a_login_renews_a_hash_of_older_parameters(light: Building) -> None:
    light.person("mei")
    old = argon2.using(type="ID", memory_cost=8 * 1024, time_cost=1, parallelism=1).hash(PASSWORD)  # type: ignore[no-untyped-call]
    account = light.studio.store.read(lambda tx: tx.users.by_name("mei"))
    assert account is not None
    light.studio.store.write(lambda tx: tx.users.change(account.user.id, {"password_hash": old}))
    assert sign_in(light.studio, "mei", PASSWORD, ORIGIN)
    renewed = light.studio.store.read(lambda tx: tx.users.by_name("mei"))
    assert renewed is not None
    assert renewed.password_hash.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert sign_in(light.studio, "mei", PASSWORD, ORIGIN)


def test_waits_outlive_a_restart_and_end_by_themselves(empty_database_url: str, tmp_path: Path) -> None:
    with make_house(empty_database_url, tmp_path) as before:
        before.person("mei")
        for _ in range(FREE_FAILURES):
            wrong(before, "mei")
    with make_house(empty_database_url, tmp_path) as after:
        with pytest.raises(RateLimitedError) as refused:
            sign_in(after.studio, "mei", PASSWORD, ORIGIN)
        assert refused.value.retry_after == 2
        with pytest.raises(RateLimitedError):  # case and blanks make no other account
            sign_in(after.studio, " MEI ", PASSWORD, ORIGIN)
        after.clock.turn(seconds=2)
        assert sign_in(after.studio, "mei", PASSWORD, ORIGIN)
        wrong(after, "mei")  # and a success begins anew


def test_tries_at_the_same_time_count_each_other_on_every_database(building: Building) -> None:
    building.person("mei")

    def attempt(_: int) -> bool:
        try:
            sign_in(building.studio, "mei", "not this one", ORIGIN)
        except RateLimitedError:
            return False
        except SignInFailedError:
            return True
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(attempt, range(16))) == FREE_FAILURES


def test_unknown_names_wait_like_known_ones_and_the_trail_names_neither(light: Building) -> None:
    light.person("mei")
    for name in ("mei", "nobody", "my secret password"):
        for _ in range(FREE_FAILURES):
            wrong(light, name)
        with pytest.raises(RateLimitedError):
            sign_in(light.studio, name, PASSWORD, ORIGIN)
    rows = light.studio.store.read(lambda tx: tx.audit.list(action="session:login", limit=200)).items
    assert {row.subject for row in rows} == {"", "mei"}
    assert [row.outcome for row in rows].count("throttled") == 3
    content = b"".join(path.read_bytes() for path in light.outputs.parent.rglob("*.db*"))
    assert b"my secret password" not in content


@pytest.mark.usefixtures("whole_minute")
def test_an_address_that_tries_many_names_waits_and_a_tunnel_does_not(light: Building) -> None:
    for number in range(20):
        wrong(light, f"user{number}", AWAY)
        wrong(light, f"guest{number}")
    with pytest.raises(RateLimitedError) as refused:
        sign_in(light.studio, "fresh", PASSWORD, AWAY)
    assert 1 <= refused.value.retry_after <= 60
    wrong(light, "fresh")


@pytest.mark.usefixtures("whole_minute")
def test_invented_names_behind_an_exhausted_address_do_not_fill_the_trail(light: Building) -> None:
    for number in range(20):
        wrong(light, f"user{number}", AWAY)
    before = len(light.actions())
    for number in range(100):
        with pytest.raises(RateLimitedError):
            sign_in(light.studio, f"invented{number}", PASSWORD, AWAY)
    assert len(light.actions()) - before == 1


@pytest.mark.usefixtures("whole_minute")
def test_the_whole_site_has_a_ceiling(light: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.flows.login_waits.SITE_CEILING", 3)
    mei = light.person("mei")
    for number in range(3):
        wrong(light, f"user{number}")
    with pytest.raises(RateLimitedError):
        sign_in(light.studio, "mei", PASSWORD, ORIGIN)
    assert still_stands(light.studio, mei)  # a stranger cannot lock anybody out of an open session
    change_password(light.studio, mei, PASSWORD, "another battery staple", ORIGIN)


def test_a_stranger_cannot_keep_somebody_from_changing_the_own_password(light: Building) -> None:
    mei = light.person("mei")
    for _ in range(FREE_FAILURES + 3):
        with suppress(SignInFailedError, RateLimitedError):
            sign_in(light.studio, "mei", "not this one", AWAY)
    change_password(light.studio, mei, PASSWORD, "another battery staple", ORIGIN)
    assert still_stands(light.studio, mei)
