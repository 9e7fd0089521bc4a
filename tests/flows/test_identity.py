"""Sessions, tokens and waits as flows: what ends when, what is counted, what the trail tells."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from passlib.hash import argon2

from app.auth.throttle import FREE_FAILURES
from app.domain.errors import (
    ConflictError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    QuotaExceededError,
    RateLimitedError,
    SignInFailedError,
)
from app.domain.people import Origin, Principal
from app.flows.account import change_password
from app.flows.identify import still_stands, who_has_session, who_has_token
from app.flows.sessions import end_session, end_sessions_of, list_sessions
from app.flows.sign_in import sign_in
from app.flows.tokens import create_token, list_tokens
from app.flows.users import change_user, reset_password
from tests.houses import ORIGIN, PASSWORD, Building, make_house

AWAY = Origin(ip_address="10.0.0.7", request_id="away", user_agent="pytest")


def wrong(building: Building, name: str, origin: Origin = ORIGIN) -> None:
    with pytest.raises(SignInFailedError):
        sign_in(building.studio, name, "not this one", origin)


def token_actor(building: Building, owner: Principal, **fields: object) -> Principal:
    made = create_token(building.studio, owner, owner.user.username, {"name": "t", **fields}, ORIGIN)
    actor = who_has_token(building.studio, made.token, ORIGIN)
    assert actor is not None
    return actor


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


def test_an_address_that_tries_many_names_waits_and_a_tunnel_does_not(light: Building) -> None:
    for number in range(20):
        wrong(light, f"user{number}", AWAY)
        wrong(light, f"guest{number}")
    with pytest.raises(RateLimitedError) as refused:
        sign_in(light.studio, "fresh", PASSWORD, AWAY)
    assert 1 <= refused.value.retry_after <= 60
    wrong(light, "fresh")


def test_invented_names_behind_an_exhausted_address_do_not_fill_the_trail(light: Building) -> None:
    for number in range(20):
        wrong(light, f"user{number}", AWAY)
    before = len(light.actions())
    for number in range(100):
        with pytest.raises(RateLimitedError):
            sign_in(light.studio, f"invented{number}", PASSWORD, AWAY)
    assert len(light.actions()) - before == 1


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


def test_a_token_works_only_from_its_addresses_and_a_leak_is_told_once(light: Building) -> None:
    mei = light.person("mei")
    body = {"name": "t", "addresses": ["10.0.0.0/24", "10.0.0.9"]}
    made = create_token(light.studio, mei, "mei", body, ORIGIN)
    assert made.row.addresses == ("10.0.0.0/24", "10.0.0.9")
    assert [who_has_token(light.studio, made.token, ORIGIN) for _ in range(3)] == [None] * 3
    assert who_has_token(light.studio, made.token, AWAY) is not None
    assert light.actions().count(("mei", "token:use", "refused")) == 1


def test_nobody_mints_a_token_or_keeps_a_password_with_a_session_that_has_ended(building: Building) -> None:
    mei = building.person("mei")
    reset = reset_password(building.studio, building.console(), "mei", "another battery staple", ORIGIN)
    assert not still_stands(building.studio, mei)
    with pytest.raises(NotAuthenticatedError):
        create_token(building.studio, mei, "mei", {"name": "t"}, ORIGIN)
    with pytest.raises(NotAuthenticatedError):
        change_password(building.studio, mei, "another battery staple", "a third horse battery", ORIGIN)
    assert sign_in(building.studio, reset.user.username, "another battery staple", ORIGIN)


def test_a_token_makes_no_tokens_and_ends_no_sessions(light: Building) -> None:
    boss = light.person("boss", "admin")
    script = token_actor(light, boss, addresses=["127.0.0.1"], quota_daily=1)
    with pytest.raises(NotPermittedError):
        create_token(light.studio, script, "boss", {"name": "unbound"}, ORIGIN)
    with pytest.raises(NotPermittedError):
        end_session(light.studio, script, str(boss.session_id), ORIGIN)
    assert still_stands(light.studio, boss)


def test_tokens_that_ended_long_ago_are_forgotten(light: Building) -> None:
    mei = light.person("mei")
    create_token(light.studio, mei, "mei", {"name": "old", "expires_days": 1}, ORIGIN)
    light.clock.turn(days=92)
    mei = light.signed_in("mei")
    create_token(light.studio, mei, "mei", {"name": "new"}, ORIGIN)
    assert [row.name for row in list_tokens(light.studio, mei, "mei", ORIGIN)] == ["new"]


def test_the_first_use_of_a_token_is_written_down_once(building: Building) -> None:
    mei = building.person("mei")
    made = create_token(building.studio, mei, "mei", {"name": "t"}, ORIGIN)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: who_has_token(building.studio, made.token, AWAY), range(8)))
    assert None not in found
    building.clock.turn(minutes=5)
    who_has_token(building.studio, made.token, AWAY)
    assert building.actions().count(("mei", "token:first-use", "ok")) == 1


def test_a_token_spends_no_more_than_its_own_quota(building: Building) -> None:
    mei = building.person("mei", quota_daily=10)
    script = token_actor(building, mei, quota_daily=3)
    building.click(script, count=2)
    building.work()
    with pytest.raises(QuotaExceededError) as refused:
        building.click(script, count=2)
    assert refused.value.params == {"needed": 2, "remaining": 1}
    building.click(script)
    with pytest.raises(QuotaExceededError):
        building.click(script)
    building.click(mei, count=4)
    assert building.quota(mei) == (2, 5)
    building.clock.turn(days=1)
    mei = building.signed_in("mei")
    assert building.click(token_actor(building, mei, quota_daily=1)).cost == 1


def test_parallel_clicks_of_one_token_never_exceed_its_quota(building: Building) -> None:
    mei = building.person("mei")
    script = token_actor(building, mei, quota_daily=3)

    def click(_: int) -> bool:
        try:
            building.click(script)
        except QuotaExceededError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(click, range(12))) == 3


def test_what_a_cancelled_job_did_not_deliver_is_not_held_against_the_token(light: Building) -> None:
    mei = light.person("mei")
    script = token_actor(light, mei, quota_daily=1)
    light.click(script)
    change_user(light.studio, light.console(), "mei", {"role": "guest"}, ORIGIN)
    change_user(light.studio, light.console(), "mei", {"role": "member"}, ORIGIN)
    assert light.click(script).cost == 1


def test_nobody_hoards_tokens(light: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.tokens.MOST_ALIVE", 2)
    mei = light.person("mei")
    for days in (1, 30):
        create_token(light.studio, mei, "mei", {"name": "t", "expires_days": days}, ORIGIN)
    with pytest.raises(ConflictError):
        create_token(light.studio, mei, "mei", {"name": "t"}, ORIGIN)
    light.clock.turn(days=2)
    mei = light.signed_in("mei")
    assert create_token(light.studio, mei, "mei", {"name": "t"}, ORIGIN).row.name == "t"


def test_more_jobs_a_minute_than_the_role_allows_are_refused_before_anything_is_reserved(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'rates.db'}"
    with make_house(url, tmp_path, member_jobs_per_minute=3) as building:
        mei = building.person("mei")
        script = token_actor(building, mei)
        for _ in range(3):
            building.click(mei)
        with pytest.raises(RateLimitedError) as refused:
            building.click(mei)
        assert 1 <= refused.value.retry_after <= 60
        assert building.quota(mei) == (0, 3)
        for _ in range(3):  # the script's own budget is untouched, the person's whole one is not
            building.click(script)
        with pytest.raises(RateLimitedError):
            building.click(script)


def test_whoever_hammers_at_a_closed_door_does_not_fill_the_trail(
    light: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.flows.studio.REFUSALS_TOLD", 3)
    mei, bob = light.person("mei"), light.person("bob")
    for actor in (*[mei] * 9, bob):
        with pytest.raises(NotPermittedError):
            end_sessions_of(light.studio, actor, "bob", ORIGIN)
    assert light.actions().count(("mei", "access:refused", "refused")) == 3
    assert light.actions().count(("bob", "access:refused", "refused")) == 1
