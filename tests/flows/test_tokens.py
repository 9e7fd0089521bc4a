"""API tokens as flows: what bounds them, what they may spend, how often; and what fills the trail."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.domain.errors import (
    ConflictError,
    NotAuthenticatedError,
    NotPermittedError,
    QuotaExceededError,
    RateLimitedError,
)
from app.domain.people import Origin, Principal
from app.flows.account import change_password
from app.flows.identify import still_stands, who_has_token
from app.flows.sessions import end_session, end_sessions_of
from app.flows.sign_in import sign_in
from app.flows.tokens import create_token, list_tokens
from app.flows.users import change_user, reset_password
from tests.houses import ORIGIN, Building, make_house

AWAY = Origin(ip_address="10.0.0.7", request_id="away", user_agent="pytest")


def token_actor(building: Building, owner: Principal, **fields: object) -> Principal:
    made = create_token(building.studio, owner, owner.user.username, {"name": "t", **fields}, ORIGIN)
    actor = who_has_token(building.studio, made.token, ORIGIN)
    assert actor is not None
    return actor


@pytest.mark.usefixtures("whole_minute")
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


@pytest.mark.usefixtures("whole_minute")
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


@pytest.mark.usefixtures("whole_minute")
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
