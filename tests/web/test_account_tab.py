"""The Account tab's events over HTTP: whose sessions and tokens they show and end, and what they refuse."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.gradio_events import RefusalError, press
from tests.houses import PASSWORD
from tests.live import Live

SUBJECT = re.compile(r'data-press="#(?:session-end|sign-out|token-revoke)" data-subject="(\w+)"')
SESSIONS, TOKENS = 1, 2
# As the form sends them: name, read, generate, administer, days, addresses, quota.
FORM = ("render", True, True, False, False, 7, "10.0.0.7, 127.0.0.0/8", "5")
NO_TICKS = (False, False, False)
NOT_EVERYTHING, EVERYTHING = (False,), (True,)


@contextmanager
def browser(live: Live, name: str, agent: str = "", **headers: str) -> Iterator[httpx.Client]:
    """A new session of that person."""
    with live.client(Origin=live.url, **{"User-Agent": agent, **headers}) as client:
        assert client.post("/login", data={"username": name, "password": PASSWORD, "next": "/"}).status_code == 303
        yield client


def is_signed_in(client: httpx.Client) -> bool:
    status = client.get("/api/v1/me").status_code
    assert status in {200, 401}
    return status == 200


def test_the_tab_shows_own_sessions_only_in_plain_words_the_present_one_first(live: Live) -> None:
    live.person("tab-ada")
    live.person("tab-bob")
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
    with (
        browser(live, "tab-ada", "<b>Chrome/1 iPhone"),
        browser(live, "tab-ada", firefox) as here,
        browser(live, "tab-bob", "Edg/1 Windows"),
    ):
        shown = press(here, "show_account")[SESSIONS]
        titles = re.findall(r"<strong>(.+?)</strong>(.*)</p>", shown)
        assert [title for title, _ in titles] == ["Firefox on Linux", "Chrome on iPhone"]
        assert ["This one" in rest for _, rest in titles] == [True, False]
        assert "&lt;b&gt;Chrome" in shown
        assert "<b>" not in shown


@pytest.mark.parametrize(
    ("agent", "words"),
    [("Mozilla/5.0 (Windows NT 10.0) Chrome/1 Safari/1 Edg/1", "Edge on Windows"), ("Tool/1.0", "Unknown browser")],
)
def test_a_browser_is_named_after_what_it_says_last_of_itself(live: Live, agent: str, words: str) -> None:
    name = f"tab-agent-{len(agent)}"
    live.person(name)
    with browser(live, name, agent) as here:
        assert f"<strong>{words}</strong>" in press(here, "show_account")[SESSIONS]


def test_one_of_my_sessions_ends_and_the_others_go_on(live: Live) -> None:
    live.person("tab-one")
    with browser(live, "tab-one") as here, browser(live, "tab-one") as there, browser(live, "tab-one") as third:
        own, *others = SUBJECT.findall(press(here, "show_account")[SESSIONS])
        # The one that was used last comes first.
        left = SUBJECT.findall(press(here, "end_one", others[0])[0])
        assert left == [own, others[1]]
        assert is_signed_in(here)
        assert sorted([is_signed_in(there), is_signed_in(third)]) == [False, True]


def test_somebody_elses_session_cannot_be_ended_and_nothing_changes(live: Live) -> None:
    live.person("tab-eve")
    live.person("tab-victim")
    with browser(live, "tab-eve") as eve, browser(live, "tab-victim") as victim:
        theirs = SUBJECT.findall(press(victim, "show_account")[SESSIONS])[0]
        for session_id in (theirs, "x", "", "-1", None):
            with pytest.raises(RefusalError, match="nothing here"):
                press(eve, "end_one", session_id)
        assert is_signed_in(victim)


def test_all_but_the_present_session_end(live: Live) -> None:
    live.person("tab-others")
    with browser(live, "tab-others") as here, browser(live, "tab-others") as there:
        assert len(SUBJECT.findall(press(here, "end_others")[0])) == 1
        assert is_signed_in(here)
        assert not is_signed_in(there)


def test_all_sessions_end_the_present_one_too(live: Live) -> None:
    live.person("tab-all")
    with browser(live, "tab-all") as here, browser(live, "tab-all") as there:
        # The stream that would bring the answer may end with the session.
        try:
            press(here, "end_all")
        except RefusalError as refusal:
            assert str(refusal) == "cut off"  # noqa: PT017 - both ways are right
        assert not is_signed_in(here)
        assert not is_signed_in(there)


def test_a_token_is_shown_once_works_from_its_addresses_and_not_after_it_was_revoked(live: Live) -> None:
    live.person("tab-token")
    with browser(live, "tab-token") as here:
        listed, secret, *fields = press(here, "make_token", *FORM)
        token = re.findall(r"atl_[0-9a-f]{12}_[\w-]{51}", secret)[0]
        assert token not in listed
        assert "$ATELIER_TOKEN" in secret
        assert fields == ["", True, False, False, False, 30, "", ""]
        for part in ("render", "Read · Generate", "10.0.0.7 · 127.0.0.0/8", "<dd>5</dd>", "Works", "Never"):
            assert part in listed, part
        with live.client(token) as script:
            assert script.get("/api/v1/me").json()["username"] == "tab-token"
            again = press(here, "show_account")
            assert "Never" not in again[TOKENS]
            # Nothing about the secret: this answer may come after that of a new token, which would be lost.
            assert len(again) == TOKENS + 1
            assert token not in str(again)
            revoked = press(here, "revoke", SUBJECT.findall(again[TOKENS])[0])[0]
            assert "Revoked or long expired: 1" in revoked
            assert SUBJECT.findall(revoked) == []
            assert script.get("/api/v1/me").status_code == 401


def test_a_token_may_do_what_its_owner_may_only_if_that_is_ticked(live: Live) -> None:
    live.person("tab-wide")
    with browser(live, "tab-wide") as here:
        with pytest.raises(RefusalError, match="Choose at least one"):
            press(here, "make_token", "wide", *NO_TICKS, *NOT_EVERYTHING, 1, "", "")
        listed, secret, *_ = press(here, "make_token", "wide", *NO_TICKS, *EVERYTHING, 1, "", "")
        assert "Everything I may" in listed
        with live.client(re.findall(r"atl_[\w-]+", secret)[0]) as script:
            assert "account:manage" in script.get("/api/v1/me").json()["permissions"]
            for event, data in {"show_account": (), "end_all": (), "make_token": FORM, "revoke": ("x",)}.items():
                with pytest.raises(RefusalError, match="credential:manage"):
                    press(script, event, *data)


def test_somebody_elses_token_cannot_be_revoked_and_nothing_changes(live: Live) -> None:
    live.person("tab-thief")
    live.person("tab-owner")
    token = live.token("tab-owner")
    with browser(live, "tab-thief") as thief:
        for token_id in (token.split("_")[1], "x", "", None):
            with pytest.raises(RefusalError, match="nothing here"):
                press(thief, "revoke", token_id)
    with live.client(token) as script:
        assert is_signed_in(script)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (0, "  ", "<b>Name</b>: Please fill this in."),
        (0, "n" * 65, "<b>Name</b>: At most 64 characters."),
        (1, "<i>", "<b>Rights</b>: Choose at least one of generate, read, admin."),
        (5, 0, "<b>Valid for (days)</b>: This must be between 1 and 365."),
        (5, None, "<b>Valid for (days)</b>: This must be between 1 and 365."),
        (6, "everywhere", "<b>Addresses</b>: At most 16 addresses or networks, such as 10.0.0.7 or 10.0.0.0/8."),
        (6, "0.0.0.0/0", "<b>Addresses</b>: At most 16 addresses"),
        (7, "many", "<b>Daily quota</b>: This must be between 0 and 1000000."),
    ],
)
def test_a_wrong_field_of_a_new_token_is_named_and_no_token_is_made(
    live: Live, place: int, value: object, told: str
) -> None:
    name = f"tab-wrong-{place}-{len(str(value))}"
    live.person(name)
    with browser(live, name) as here:
        with pytest.raises(RefusalError, match=re.escape(told)):
            press(here, "make_token", *FORM[:place], value, *FORM[place + 1 :])
        assert "You have no tokens." in press(here, "show_account")[TOKENS]


def test_a_token_that_was_narrowed_reaches_neither_sessions_nor_tokens(live: Live) -> None:
    live.person("tab-narrow")
    with live.client(live.token("tab-narrow", "generate")) as script:
        for event, data in {
            "show_account": (),
            "end_others": (),
            "end_all": (),
            "end_one": ("1",),
            "revoke": ("x",),
        }.items():
            with pytest.raises(RefusalError, match="credential:manage"):
                press(script, event, *data)
        with pytest.raises(RefusalError, match="credential:manage"):
            press(script, "make_token", *FORM)


def test_an_administrator_ends_all_sessions_of_a_person(live: Live) -> None:
    live.person("tab-boss", "admin")
    live.person("tab-lost")
    with browser(live, "tab-boss") as boss, browser(live, "tab-lost") as one, browser(live, "tab-lost") as two:
        with pytest.raises(RefusalError, match="user:manage"):
            press(one, "end_sessions", "tab-lost")
        press(boss, "end_sessions", "tab-lost")
        assert is_signed_in(boss)
        assert not is_signed_in(one)
        assert not is_signed_in(two)
        with pytest.raises(RefusalError, match="no user nobody"):
            press(boss, "end_sessions", "nobody")


def test_the_tab_speaks_chinese(live: Live) -> None:
    live.person("tab-zh")
    with browser(live, "tab-zh", **{"Accept-Language": "zh-CN"}) as here:
        account, sessions, tokens = press(here, "show_account")
        assert "今日" in account
        assert "退出全部会话" in sessions
        assert "您还没有令牌。" in tokens
