"""Whatever is open ends within a second of the identity that opened it."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.bootstrap import build
from app.flows.account import change_password
from app.flows.identify import who_has_session
from app.flows.sessions import end_own_sessions, end_session, end_sessions_of, list_sessions
from app.flows.studio import NOWHERE, Studio
from app.flows.tokens import revoke_token
from app.flows.users import change_user, reset_password
from app.settings import load
from tests.engine.fake_engine import FakeEngine
from tests.houses import PASSWORD
from tests.live import Live

SECONDS = 1.0


@contextmanager
def open_stream(client: httpx.Client) -> Iterator[Callable[[], float]]:
    """A heartbeat that is being read; how long it went on after being asked, or 30 s."""
    path = f"/gradio_api/heartbeat/{secrets.token_hex(6)}"
    ended = threading.Event()
    begun = threading.Event()

    def read() -> None:
        try:
            with client.stream("GET", path) as answer:
                assert answer.status_code == 200
                begun.set()
                for _ in answer.iter_raw():
                    pass
        finally:
            ended.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert begun.wait(10)

    def until_ended() -> float:
        asked = time.monotonic()
        return time.monotonic() - asked if ended.wait(30) else 30.0

    yield until_ended
    thread.join(1)


def disable(live: Live, name: str) -> None:
    change_user(live.house.studio, live.admin(), name, {"disabled": True}, NOWHERE)


def demote(live: Live, name: str) -> None:
    change_user(live.house.studio, live.admin(), name, {"role": "guest"}, NOWHERE)


def reset(live: Live, name: str) -> None:
    reset_password(live.house.studio, live.admin(), name, None, NOWHERE)


def sign_out_by_an_administrator(live: Live, name: str) -> None:
    assert end_sessions_of(live.house.studio, live.admin(), name, NOWHERE) == 1


ENDINGS = [disable, demote, reset, sign_out_by_an_administrator]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
def test_a_gradio_stream_ends_within_a_second(live: Live, end: Callable[[Live, str], None]) -> None:
    name = f"stream-{end.__name__[:12].replace('_', '-')}"
    live.person(name)
    with live.browser_of(name) as browser, open_stream(browser) as until_ended:
        end(live, name)
        assert until_ended() < SECONDS


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
def test_a_long_poll_ends_within_a_second(live: Live, end: Callable[[Live, str], None]) -> None:
    name = f"poll-{end.__name__[:12].replace('_', '-')}"
    live.person(name)
    with live.browser_of(name) as browser:
        rev = browser.get("/api/v1/events").json()["rev"]
        statuses: list[int] = []
        poll = threading.Thread(
            target=lambda: statuses.append(browser.get("/api/v1/events", params={"since": rev, "wait": 20}).status_code)
        )
        poll.start()
        poll.join(0.3)  # it is asked now, and waits
        began = time.monotonic()
        end(live, name)
        poll.join(5)
        assert time.monotonic() - began < SECONDS
        # Whoever got another role is still signed in: the next request is answered by the new one.
        assert statuses == [200 if end is demote else 401]


@contextmanager
def another_process(live: Live, folder: Path) -> Iterator[Studio]:
    """The same database without this server's memory, as the command line has it."""
    house = build(load(database_url=live.house.database.url.render_as_string(), data_dir=folder), engine=FakeEngine())
    try:
        yield house.studio
    finally:
        house.close()


def test_what_another_process_changes_ends_a_stream_within_a_second_too(live: Live, tmp_path: Path) -> None:
    live.person("stream-cli")
    with live.browser_of("stream-cli") as browser, another_process(live, tmp_path) as studio:
        with open_stream(browser) as until_ended:
            change_user(studio, live.admin(), "stream-cli", {"disabled": True}, NOWHERE)
            assert until_ended() < SECONDS
        assert browser.get("/api/v1/me").status_code == 401


def test_the_stream_of_a_revoked_token_ends_and_that_of_another_goes_on(live: Live) -> None:
    studio = live.house.studio
    live.person("stream-tokens")
    first, second = live.token("stream-tokens"), live.token("stream-tokens")
    with live.client(first) as one, live.client(second) as two:
        with open_stream(one) as one_ended, open_stream(two) as two_ended:
            revoke_token(studio, live.admin(), first.split("_")[1], NOWHERE)
            assert one_ended() < SECONDS
            assert two.get("/api/v1/me").status_code == 200
            revoke_token(studio, live.admin(), second.split("_")[1], NOWHERE)
            assert two_ended() < SECONDS
        assert one.get("/api/v1/me").status_code == 401


def test_ending_one_session_leaves_the_other_open(live: Live) -> None:
    studio = live.house.studio
    live.person("stream-one")
    with live.browser_of("stream-one") as here, live.browser_of("stream-one") as there:
        actor = who_has_session(studio, here.cookies["atelier_session"])
        gone = who_has_session(studio, there.cookies["atelier_session"])
        assert actor is not None
        assert gone is not None
        assert len(list_sessions(studio, actor, NOWHERE)) == 2
        with open_stream(there) as there_ended:
            end_session(studio, actor, str(gone.session_id), NOWHERE)
            assert there_ended() < SECONDS
        assert here.get("/api/v1/me").status_code == 200
        assert there.get("/api/v1/me").status_code == 401
        assert end_own_sessions(studio, actor, NOWHERE, others_only=True) == 0
        assert end_own_sessions(studio, actor, NOWHERE, others_only=False) == 1
        assert here.get("/api/v1/me").status_code == 401


def test_an_own_password_change_ends_the_streams_of_the_other_sessions(live: Live) -> None:
    studio = live.house.studio
    live.person("stream-password")
    with live.browser_of("stream-password") as here, live.browser_of("stream-password") as there:
        actor = who_has_session(studio, here.cookies["atelier_session"])
        assert actor is not None
        with open_stream(there) as there_ended:
            change_password(studio, actor, PASSWORD, "another battery staple", NOWHERE)
            assert there_ended() < SECONDS
        assert here.get("/api/v1/me").status_code == 200
