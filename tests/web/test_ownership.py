"""Gradio lets everybody use any session and event; here they belong to whoever named them first."""

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from starlette.datastructures import QueryParams

from app.flows import queue_control
from app.flows.studio import NOWHERE
from app.flows.users import change_user
from app.web.claims import MOST_OF_ONE, Claims, named_in_address, named_in_body
from app.web.gradio_queue import PendingMessages
from tests.gradio_events import server_events
from tests.houses import TurnedClock
from tests.live import Live

JSON_TYPES = ["application/json", "application/x+json", "Application/JSON", "application/json; charset=utf-8"]


@pytest.fixture(scope="module")
def alice(live: Live) -> Iterator[httpx.Client]:
    with live.script_of("own-alice") as client:
        yield client


@pytest.fixture(scope="module")
def bob(live: Live) -> Iterator[httpx.Client]:
    with live.script_of("own-bob") as client:
        yield client


def joined(client: httpx.Client, session: str, **more: object) -> httpx.Response:
    event = next(event for event in server_events(client) if event["api_name"].startswith("arrive"))
    body = {"data": [], "fn_index": event["id"], "session_hash": session, **more}
    return client.post("/gradio_api/queue/join", json=body)


def test_a_session_answers_only_to_whom_it_belongs(live: Live, alice: httpx.Client, bob: httpx.Client) -> None:
    """Pitfall peers G5: whoever knows a session of Gradio, which is no secret, gets its results."""
    session = secrets.token_hex(6)
    event = joined(alice, session).json()["event_id"]
    attempts = [
        joined(bob, session),
        bob.get("/gradio_api/queue/data", params={"session_hash": session}),
        bob.get(f"/gradio_api/heartbeat/{session}"),
        joined(bob, secrets.token_hex(6), event_id=event),
        joined(bob, secrets.token_hex(6), event_data={"deep": [{"session_hash": session}]}),
        bob.get(f"/gradio_api/call/arrive/{event}"),
        bob.get("/config", params={"session_hash": session}),
    ]
    assert [answer.status_code for answer in attempts] == [404] * len(attempts)
    rows = live.house.studio.store.read(
        lambda tx: tx.audit.list(actor="own-bob", action="access:refused", limit=200)
    ).items
    assert len(rows) >= len(attempts)
    assert session not in "".join(row.details + row.subject for row in rows)
    with alice.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert [message["success"] for message in told if message["msg"] == "process_completed"] == [True]


@pytest.mark.parametrize("kind", JSON_TYPES)
def test_no_kind_of_json_hides_the_session_from_the_guard(alice: httpx.Client, bob: httpx.Client, kind: str) -> None:
    session = secrets.token_hex(6)
    assert joined(alice, session).status_code == 200
    body = json.dumps({"data": [], "fn_index": 0, "session_hash": session})
    assert bob.post("/gradio_api/queue/join", content=body, headers={"Content-Type": kind}).status_code == 404
    twice = f'{{"session_hash": "{session}", "data": [], "fn_index": 0, "session_hash": "{secrets.token_hex(6)}"}}'
    assert bob.post("/gradio_api/queue/join", content=twice, headers={"Content-Type": kind}).status_code == 404


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json", ""]
)
def test_what_is_not_json_is_not_read_at_all(bob: httpx.Client, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = bob.post("/gradio_api/queue/join", content=b'{"data": [], "fn_index": 0}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 60_000])
def test_json_that_cannot_be_read_is_a_bad_request(bob: httpx.Client, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert bob.post("/gradio_api/queue/join", content=content, headers=headers).status_code == 400


def test_the_answer_to_a_call_belongs_to_the_caller(alice: httpx.Client, bob: httpx.Client) -> None:
    body = {"data": ["a red circle", 256, 256, 2, 1, 1]}
    event = alice.post("/gradio_api/call/generate", json=body).json()["event_id"]
    assert bob.get(f"/gradio_api/call/generate/{event}").status_code == 404
    answer = alice.get(f"/gradio_api/call/generate/{event}")
    assert "/outputs/" in answer.text


@pytest.mark.parametrize("file", ["/etc/hostname", "http://127.0.0.1:1/", "x.png"])
@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
def test_no_file_of_the_server_can_be_handed_to_an_event(bob: httpx.Client, file: str, meta: dict[str, Any]) -> None:
    """Pitfall peers ok2: paths and local addresses that a client hands over as files."""
    assert joined(bob, secrets.token_hex(6), data=[{"path": file, **meta}]).status_code == 404
    body = {"data": [[{"image": {"path": file, **meta}}]]}
    assert bob.post("/gradio_api/call/generate", json=body).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"session_hash": "x" * 65},
        {"session_hash": "a", "data": [{"event_id": str(number)} for number in range(9)]},
    ],
)
def test_names_are_short_and_few(bob: httpx.Client, body: dict[str, Any]) -> None:
    answer = bob.post("/gradio_api/queue/join", json={"data": [], "fn_index": 0, **body})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")
    assert bob.get("/config", params={"session_hash": "x" * 65}).status_code == 400


def test_a_click_carries_no_more_than_a_form(bob: httpx.Client) -> None:
    answer = bob.post("/gradio_api/queue/join", json={"data": ["x" * (1 << 16)], "fn_index": 0, "session_hash": "a"})
    assert answer.status_code == 413


@contextmanager
def paused(live: Live, *people: str) -> Iterator[None]:
    """Nothing is made meanwhile; what these people still wait for afterwards is cancelled."""
    studio = live.house.studio
    queue_control.pause(studio, live.admin(), NOWHERE)
    try:
        yield
    finally:
        for name in people:
            for disabled in (True, False):
                change_user(studio, live.admin(), name, {"disabled": disabled}, NOWHERE)
        queue_control.resume(studio, live.admin(), NOWHERE)


GENERATE = {"data": ["a red circle", 256, 256, 2, 1, 1]}


def test_nobody_fills_the_pages_queue_for_the_others(
    live: Live, alice: httpx.Client, bob: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall peers G10: Gradio's queue is one for all; a flood of calls is the caller's own problem."""
    monkeypatch.setattr("app.web.ownership.MOST_AT_ONCE", 10)
    with paused(live, "own-bob"):
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: bob.post("/gradio_api/call/generate", json=GENERATE), range(40)))
        assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 30
        assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 429)
        assert joined(alice, secrets.token_hex(6)).status_code == 200


def test_whoever_opens_many_sessions_pushes_out_only_own_ones_and_stops_nothing(
    live: Live, alice: httpx.Client, bob: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradio keeps 2000 sessions of everybody, and a message for one that it threw out stops its whole queue."""
    monkeypatch.setattr("app.web.claims.MOST_OF_ONE", 10)
    with paused(live, "own-bob", "own-alice"):
        mine = alice.post("/gradio_api/call/generate", json=GENERATE).json()["event_id"]
        lost = bob.post("/gradio_api/call/generate", json=GENERATE).json()["event_id"]
        for _ in range(30):
            assert joined(bob, secrets.token_hex(6)).status_code == 200
    assert "event: error" in alice.get(f"/gradio_api/call/generate/{mine}").text  # cancelled, and she hears of it
    assert bob.get(f"/gradio_api/call/generate/{lost}").status_code == 404
    for client in (alice, bob):
        event = client.post("/gradio_api/call/generate", json=GENERATE).json()["event_id"]
        assert "/outputs/" in client.get(f"/gradio_api/call/generate/{event}").text
    assert alice.get("/readyz").status_code == 200


def test_a_message_for_a_session_that_has_gone_is_not_heard() -> None:
    messages = PendingMessages()
    messages["gone"].put_nowait("said to nobody")
    assert messages == {}
    assert messages.get("gone") is None


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("queue/join", '{"data": [], "fn_index": 999, "session_hash": "a"}', 404),
        ("queue/join", '{"data": [], "fn_index": -1, "session_hash": "a"}', 404),
        ("queue/join", '{"data": [], "fn_index": "0", "session_hash": "a"}', 404),
        ("queue/join", '{"data": [], "fn_index": 99999999999999999999999, "session_hash": "a"}', 404),
        ("queue/join", '{"data": [], "session_hash": "a"}', 404),
        ("queue/join", "[]", 404),
        ("queue/join", '{"data": [NaN], "fn_index": 0, "session_hash": "a"}', 400),
        ("queue/join", '{"data": [1e999], "fn_index": 0, "session_hash": "a"}', 400),
        ("queue/join", '{"data": ["\\ud800"], "fn_index": 0, "session_hash": "a"}', 400),
        ("call/nope", '{"data": []}', 404),
        ("call/generate/extra", '{"data": []}', 404),
    ],
)
def test_nonsense_is_refused_before_gradio_stumbles_over_it(
    bob: httpx.Client, path: str, body: str, status: int
) -> None:
    answer = bob.post(f"/gradio_api/{path}", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status


def test_claims_are_bounded_for_each_person_and_end_after_a_day() -> None:
    claims, clock = Claims(), TurnedClock()
    assert claims.claim(1, ["mine"], clock.now())
    assert not claims.claim(2, ["other", "mine"], clock.now())
    assert claims.claim(3, ["other"], clock.now())  # a refused claim takes nothing
    for number in range(2 * MOST_OF_ONE):
        claims.claim(2, [f"flood-{number}"], clock.now())
    assert not claims.claim(2, ["mine"], clock.now())
    assert claims.claim(1, ["flood-0"], clock.now())
    clock.turn(hours=25)
    assert claims.claim(2, ["mine"], clock.now())


def test_what_requests_name_is_found_wherever_gradio_reads_it() -> None:
    assert named_in_address("/gradio_api/heartbeat/abc", QueryParams("session_hash=d&x=1&session_hash=e")) == {
        "abc",
        "d",
        "e",
    }
    assert named_in_address("/gradio_api/call/generate/ev", QueryParams("")) == {"ev"}
    assert named_in_address("/gradio_api/call/generate", QueryParams("")) == set()
    found = named_in_body(b'{"session_hash": "a", "data": [{"event_id": "b", "path": 5}], "event_id": 7}')
    assert found.names == frozenset({"a", "b"})
    assert not found.has_files
