"""Accounts, sessions and tokens as their flows keep them."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.auth.sessions import secret_hash
from app.auth.tokens import parse
from app.domain.errors import ConflictError, InvalidRequestError, NotFoundError, SignInFailedError, StudioError
from app.domain.people import Role
from app.flows import first_admin
from app.flows.account import change_password, me
from app.flows.identify import who_has_session, who_has_token
from app.flows.sign_in import sign_in, sign_out
from app.flows.tokens import create_token, list_tokens, revoke_token
from app.flows.users import change_user, list_users, reset_password
from tests.houses import ORIGIN, PASSWORD, Building


def test_the_last_administrator_can_be_neither_demoted_nor_disabled(building: Building) -> None:
    for change in ({"role": "member"}, {"disabled": True}):
        with pytest.raises(ConflictError):
            change_user(building.studio, building.console(), "admin", change, ORIGIN)
    building.person("second", "admin")
    assert change_user(building.studio, building.console(), "admin", {"disabled": True}, ORIGIN).disabled_at is not None


def test_two_administrators_who_demote_each_other_leave_one(building: Building) -> None:
    building.person("second", "admin")
    together = threading.Barrier(2)

    def demote(name: str) -> None:
        together.wait(5)
        with contextlib.suppress(ConflictError):
            change_user(building.studio, building.console(), name, {"role": "member"}, ORIGIN)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(demote, ("admin", "second")))
    users = list_users(building.studio, building.console(), ORIGIN)
    assert len([user for user in users if user.role is Role.ADMIN]) == 1


def test_a_name_can_be_taken_once_even_by_two_at_the_same_time(building: Building) -> None:
    def make(_: int) -> str:
        try:
            building.person("mei")
        except ConflictError as error:
            return error.code
        return "made"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(make, range(4))) == ["conflict"] * 3 + ["made"]


def test_a_session_ends_by_idleness_by_age_by_sign_out_and_by_disabling(light: Building) -> None:
    light.person("mei")
    secrets = [sign_in(light.studio, "mei", PASSWORD, ORIGIN) for _ in range(2)]
    first = who_has_session(light.studio, secrets[0])
    assert first is not None
    sign_out(light.studio, first, ORIGIN)
    assert who_has_session(light.studio, secrets[0]) is None
    for _ in range(7):
        light.clock.turn(hours=23)
        assert who_has_session(light.studio, secrets[1]) is not None
    light.clock.turn(hours=23)
    assert who_has_session(light.studio, secrets[1]) is None, "a week is the most"
    idle = sign_in(light.studio, "mei", PASSWORD, ORIGIN)
    light.clock.turn(hours=25)
    assert who_has_session(light.studio, idle) is None
    fresh = sign_in(light.studio, "mei", PASSWORD, ORIGIN)
    change_user(light.studio, light.console(), "mei", {"disabled": True}, ORIGIN)
    assert who_has_session(light.studio, fresh) is None
    with pytest.raises(SignInFailedError):
        sign_in(light.studio, "mei", PASSWORD, ORIGIN)


def test_only_hashes_of_secrets_are_kept(light: Building) -> None:
    light.person("mei")
    secret = sign_in(light.studio, "mei", PASSWORD, ORIGIN)
    token = create_token(light.studio, light.console(), "mei", {"name": "t"}, ORIGIN).token
    content = b"".join(path.read_bytes() for path in light.outputs.parent.rglob("*.db*"))
    assert secret_hash(secret).encode() in content
    parts = parse(token)
    assert parts is not None
    for hidden in (secret, token, parts.secret, PASSWORD):
        assert hidden.encode() not in content


def test_a_password_change_needs_the_old_one_and_ends_the_other_sessions(light: Building) -> None:
    light.person("mei")
    here, there = (sign_in(light.studio, "mei", PASSWORD, ORIGIN) for _ in range(2))
    mei = who_has_session(light.studio, here)
    assert mei is not None
    for old, new in (("wrong", "another battery staple"), (PASSWORD, "short"), (PASSWORD, PASSWORD)):
        with pytest.raises(InvalidRequestError):
            change_password(light.studio, mei, old, new, ORIGIN)
    for _ in range(10):  # choosing badly is no attack
        with pytest.raises(InvalidRequestError):
            change_password(light.studio, mei, PASSWORD, "short", ORIGIN)
    change_password(light.studio, mei, PASSWORD, "another battery staple", ORIGIN)
    assert who_has_session(light.studio, here) is not None
    assert who_has_session(light.studio, there) is None
    assert ("mei", "account:password", "failed") in light.actions()
    assert ("mei", "account:password", "ok") in light.actions()


def test_a_reset_ends_sessions_and_tokens_and_forgets_the_first_password(light: Building) -> None:
    light.person("mei")
    session = sign_in(light.studio, "mei", PASSWORD, ORIGIN)
    token = create_token(light.studio, light.console(), "mei", {"name": "t"}, ORIGIN).token
    light.studio.initial_password.keep(PASSWORD)
    made = reset_password(light.studio, light.console(), "mei", None, ORIGIN)
    assert made.password
    assert made.user.must_change_password
    assert who_has_session(light.studio, session) is None
    assert who_has_token(light.studio, token, ORIGIN) is None
    assert not light.studio.initial_password.kept()
    assert sign_in(light.studio, "mei", made.password, ORIGIN)


def test_a_token_ends_by_expiry_and_by_revoking_and_belongs_to_its_owner(light: Building) -> None:
    mei, bob = light.person("mei"), light.person("bob")
    token = create_token(light.studio, mei, "mei", {"name": "scripts", "expires_days": 1}, ORIGIN).token
    found = who_has_token(light.studio, token, ORIGIN)
    assert found is not None
    assert found.user.username == "mei"
    with pytest.raises(NotFoundError):
        revoke_token(light.studio, bob, found.token_id or "", ORIGIN)
    with pytest.raises(NotFoundError):
        create_token(light.studio, bob, "mei", {"name": "stolen"}, ORIGIN)
    light.clock.turn(days=1, seconds=1)
    assert who_has_token(light.studio, token, ORIGIN) is None
    mei = light.signed_in("mei")
    fresh = create_token(light.studio, mei, "mei", {"name": "scripts"}, ORIGIN).token
    revoke_token(light.studio, mei, fresh.split("_")[1], ORIGIN)
    assert who_has_token(light.studio, fresh, ORIGIN) is None
    assert len(list_tokens(light.studio, mei, "mei", ORIGIN)) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"expires_days": 0},
        {"expires_days": 366},
        {"expires_days": True},
        {"scopes": ["all"]},
        {"scopes": "read"},
        {"scopes": []},
        {"name": " "},
        {"name": 5},
        {"addresses": ["everywhere"]},
        {"addresses": ["0.0.0.0/0"]},
        {"addresses": ["10.0.0.1"] * 17},
        {"quota_daily": -1},
        {"owner": "admin"},
    ],
)
def test_a_token_that_makes_no_sense_is_refused(light: Building, options: dict[str, object]) -> None:
    mei = light.person("mei")
    with pytest.raises(InvalidRequestError):
        create_token(light.studio, mei, "mei", {"name": "t"} | options, ORIGIN)


def test_what_a_person_typed_as_a_name_by_mistake_never_reaches_the_trail(light: Building) -> None:
    with pytest.raises(SignInFailedError):
        sign_in(light.studio, "my-secret-password", "mei", ORIGIN)
    rows = light.studio.store.read(lambda tx: tx.audit.list(limit=10)).items
    assert not any("my-secret-password" in str(row) for row in rows)
    assert light.actions()[-1] == ("system", "session:login", "failed")


def test_the_first_administrator_is_made_once(light: Building) -> None:
    roles = light.studio.store.read(lambda tx: tx.roles.all())
    assert first_admin.seed(light.studio, roles, "other", None) is None
    assert [user.username for user in list_users(light.studio, light.console(), ORIGIN)] == ["admin"]


def test_an_unlimited_person_has_no_remaining_number_and_is_counted_all_the_same(building: Building) -> None:
    mei = building.person("mei", quota_daily="unlimited")
    building.click(mei, count=4)
    building.work()
    quota = me(building.studio, mei).quota
    assert (quota.remaining, quota.used) == (None, 4)


def test_a_quota_of_zero_is_none_at_all(building: Building) -> None:
    mei = building.person("mei", quota_daily=0)
    with pytest.raises(StudioError) as refused:
        building.click(mei)
    assert refused.value.code == "quota-exceeded"
