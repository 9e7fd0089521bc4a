"""Requests as nobody should send them: two meanings, no end, too long, too many, too late."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.flows.studio import NOWHERE
from app.flows.users import change_user
from app.web.guard import HOLDS_SECONDS
from tests.houses import PASSWORD
from tests.live import Live, token_of


def test_a_header_that_decides_may_come_only_once(live: Live) -> None:
    port = int(live.url.rpartition(":")[2])
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as raw:
        raw.putrequest("GET", "/api/v1/me")
        raw.putheader("Authorization", f"Bearer {token_of(live, 'guard-double')}")
        raw.putheader("Authorization", "Bearer x")
        raw.endheaders()
        assert raw.getresponse().status == 400


@pytest.mark.parametrize("path", ["/gradio_api/upload%0A", "/gradio_api/deep_link%0A", "/gradio_api%5Cuser", "/a%00"])
def test_a_path_that_patterns_could_read_differently_is_refused(live: Live, path: str) -> None:
    with live.client(token_of(live, "guard-path")) as script:
        assert script.post(path).status_code == 400
        assert script.get(path).status_code == 400


@contextlib.contextmanager
def held_open(live: Live, cookie: str, path: str, body: bytes) -> Iterator[Callable[[], bytes]]:
    """A request whose head and first byte are sent; the call sends the rest and answers the status line."""
    port = int(live.url.rpartition(":")[2])
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as raw:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {live.url}\r\n"
            f"Cookie: atelier_session={cookie}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        raw.sendall(head.encode() + body[:1])

        def rest() -> bytes:
            raw.sendall(body[1:])
            return raw.makefile("rb").readline()

        yield rest


@pytest.mark.parametrize(("change", "status"), [({"disabled": True}, b" 401 "), ({"role": "member"}, b" 403 ")])
def test_a_request_that_is_held_open_counts_as_of_its_end(live: Live, change: dict[str, object], status: bytes) -> None:
    name = f"guard-held-{next(iter(change))}"
    token_of(live, name, "admin")
    body = json.dumps({"username": f"{name}-friend", "password": PASSWORD, "role": "admin"}).encode()
    with live.browser_of(name) as browser:
        cookie = browser.cookies["atelier_session"]
        assert browser.get("/api/v1/admin/users").status_code == 200
        with held_open(live, cookie, "/api/v1/admin/users", body) as rest:
            assert browser.get("/api/v1/me").status_code == 200  # the head has been read before this
            change_user(live.house.studio, live.admin(), name, change, NOWHERE)
            assert status in rest()
    assert live.house.studio.store.read(lambda tx: tx.users.by_name(f"{name}-friend")) is None


def test_a_slow_body_counts_as_of_its_end_whoever_changed_the_account(live: Live) -> None:
    """As another process would do it, before anybody here is told."""
    token_of(live, "guard-slow-body", "admin")
    body = json.dumps({"username": "guard-slow-friend", "password": PASSWORD, "role": "admin"}).encode()
    with live.browser_of("guard-slow-body") as browser:
        cookie = browser.cookies["atelier_session"]
        account = live.house.studio.store.read(lambda tx: tx.users.by_name("guard-slow-body"))
        assert account is not None
        with held_open(live, cookie, "/api/v1/admin/users", body) as rest:
            assert browser.get("/api/v1/me").status_code == 200
            live.house.studio.store.write(lambda tx: tx.users.change(account.user.id, {"role": "member"}))
            threading.Event().wait(HOLDS_SECONDS)
            assert b" 403 " in rest()
    assert live.house.studio.store.read(lambda tx: tx.users.by_name("guard-slow-friend")) is None


def test_a_body_that_does_not_come_to_its_end_is_given_up(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.bodies.SECONDS_FOR_A_BODY", 0.1)
    token_of(live, "guard-slow")
    port = int(live.url.rpartition(":")[2])
    with live.browser_of("guard-slow") as browser:
        cookie = browser.cookies["atelier_session"]
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as raw:
        head = f"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {live.url}\r\n"
        raw.sendall(f"{head}Cookie: atelier_session={cookie}\r\nContent-Length: 10\r\n\r\n{{".encode())
        assert b" 400 " in raw.makefile("rb").readline()


def test_a_body_with_two_lengths_is_refused(live: Live) -> None:
    port = int(live.url.rpartition(":")[2])
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as raw:
        head = f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 5\r\n"
        raw.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode())
        assert b" 400 " in raw.makefile("rb").readline()


def test_a_name_too_long_for_any_file_is_refused(live: Live) -> None:
    with live.client() as stranger:
        assert stranger.get(f"/assets/{'a' * 300}").status_code == 400


def test_a_crowd_at_the_door_stops_nobody_inside(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.threads.LOGINS_WAITING", 2)
    token_of(live, "guard-crowd")
    with live.browser_of("guard-crowd") as browser, live.client() as stranger:

        def knock(number: int) -> httpx.Response:
            return stranger.post("/login", data={"username": f"crowd-{number}", "password": "x"})

        with ThreadPoolExecutor(30) as pool:
            answers = list(pool.map(knock, range(30)))
        statuses = {answer.status_code for answer in answers}
        assert statuses == {401, 429}
        assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 429)
        assert browser.get("/api/v1/me").status_code == 200
