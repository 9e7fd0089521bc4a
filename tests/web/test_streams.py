"""Whatever is open ends within a second of the identity that opened it."""

import contextlib
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
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

SECONDS = 5.0  # of a busy machine; what was not told goes on for 20


@dataclass
class Reading:
    """A stream that is being read, and when it ended."""

    ended: threading.Event

    @property
    def goes_on(self) -> bool:
        """Also a moment later: long enough for a wrong ending to be seen."""
        return not self.ended.wait(0.5)

    def ends_after(self, end: Callable[[], object]) -> float:
        """Seconds from what `end` committed to the end of the stream, at most 30."""
        assert not self.ended.is_set()
        end()
        began = time.monotonic()
        self.ended.wait(30)
        return time.monotonic() - began


@contextmanager
def open_stream(client: httpx.Client) -> Iterator[Reading]:
    """A heartbeat that is being read."""
    path = f"/gradio_api/heartbeat/{secrets.token_hex(6)}"
    ended = threading.Event()
    begun = threading.Event()

    def read() -> None:
        # A test that leaves it open closes the client under it.
        with contextlib.suppress(httpx.HTTPError), client.stream("GET", path) as answer:
            assert answer.status_code == 200
            begun.set()
            for _ in answer.iter_raw():
                pass
        ended.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert begun.wait(10)

    yield Reading(ended)
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
def test_a_gradio_stream_ends_at_once(live: Live, end: Callable[[Live, str], None]) -> None:
    """Pitfall gradio §10.6: whoever was disabled goes on reading the streams that are open."""
    name = f"stream-{end.__name__[:12].replace('_', '-')}"
    live.person(name)
    with live.browser_of(name) as browser, open_stream(browser) as stream:
        assert stream.ends_after(lambda: end(live, name)) < SECONDS
        assert browser.get("/api/v1/me").status_code == (200 if end is demote else 401)


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
def test_a_long_poll_ends_at_once(live: Live, end: Callable[[Live, str], None]) -> None:
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
        with open_stream(browser) as stream:
            change_user(studio, live.admin(), "stream-cli", {"display_name": "Lin"}, NOWHERE)
            assert stream.goes_on
            end = partial(change_user, studio, live.admin(), "stream-cli", {"disabled": True}, NOWHERE)
            assert stream.ends_after(end) < SECONDS
        assert browser.get("/api/v1/me").status_code == 401


def test_the_stream_of_a_revoked_token_ends_and_that_of_another_goes_on(live: Live) -> None:
    studio = live.house.studio
    live.person("stream-tokens")
    first, second = live.token("stream-tokens"), live.token("stream-tokens")

    def revoke(token: str) -> Callable[[], None]:
        return partial(revoke_token, studio, live.admin(), token.split("_")[1], NOWHERE)

    with live.client(first) as one, live.client(second) as two:
        with open_stream(one) as revoked, open_stream(two) as kept:
            assert revoked.ends_after(revoke(first)) < SECONDS
            assert kept.goes_on
            assert kept.ends_after(revoke(second)) < SECONDS
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
        with open_stream(here) as kept, open_stream(there) as ended:
            assert ended.ends_after(lambda: end_session(studio, actor, str(gone.session_id), NOWHERE)) < SECONDS
            assert kept.goes_on
            assert end_own_sessions(studio, actor, NOWHERE, others_only=True) == 0
            assert kept.goes_on
            assert kept.ends_after(lambda: end_own_sessions(studio, actor, NOWHERE, others_only=False)) < SECONDS
        assert here.get("/api/v1/me").status_code == 401
        assert there.get("/api/v1/me").status_code == 401


def test_an_own_password_change_ends_the_streams_of_the_other_sessions(live: Live) -> None:
    studio = live.house.studio
    live.person("stream-password")
    with live.browser_of("stream-password") as here, live.browser_of("stream-password") as there:
        actor = who_has_session(studio, here.cookies["atelier_session"])
        assert actor is not None
        with open_stream(here) as kept, open_stream(there) as ended:
            change = partial(change_password, studio, actor, PASSWORD, "another battery staple", NOWHERE)
            assert ended.ends_after(change) < SECONDS
            assert kept.goes_on
        assert here.get("/api/v1/me").status_code == 200


def test_a_stream_ends_when_its_session_has_run_out_though_nobody_announces_it(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.streams.LOOK_SECONDS", 0.1)
    live.person("stream-old")

    def run_out() -> None:
        with contextlib.closing(sqlite3.connect(str(live.house.database.url.database))) as database:
            database.execute(
                "UPDATE sessions SET last_seen_at = '2020-01-01' WHERE user_id ="
                " (SELECT id FROM users WHERE username = 'stream-old')"
            )
            database.commit()

    with live.browser_of("stream-old") as browser, open_stream(browser) as stream:
        assert stream.goes_on
        assert stream.ends_after(run_out) < SECONDS


def test_a_stream_that_can_no_longer_be_watched_ends(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    live.person("stream-odd")

    def broken(*_: object) -> bool:
        raise LookupError

    with live.browser_of("stream-odd") as browser, open_stream(browser) as stream:
        assert stream.goes_on
        monkeypatch.setattr("app.web.streams.still_stands", broken)
        user = live.house.studio.store.read(lambda tx: tx.users.by_name("stream-odd"))
        assert user is not None
        assert stream.ends_after(lambda: live.house.studio.identities.changed(user.user.id)) < SECONDS


def test_a_page_that_was_left_open_does_not_keep_the_session_from_being_idle(live: Live) -> None:
    live.person("stream-idle")
    studio = live.house.studio
    with live.browser_of("stream-idle") as browser:
        with contextlib.closing(sqlite3.connect(str(live.house.database.url.database))) as database:
            database.execute("UPDATE sessions SET last_seen_at = datetime('now', '-5 minutes')")
            database.commit()

        def last_seen() -> datetime:
            actor = who_has_session(studio, browser.cookies["atelier_session"], is_use=False)
            assert actor is not None
            return list_sessions(studio, actor, NOWHERE)[0].last_seen_at

        before = last_seen()
        for by_itself in ("/api/v1/events", "/account/status"):
            assert browser.get(by_itself).status_code == 200
        assert last_seen() == before
        assert browser.get("/api/v1/jobs").status_code == 200
        assert last_seen() > before
