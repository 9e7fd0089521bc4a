"""Drives the access matrix against the running server. A route or an event without a row fails."""

import contextlib
import importlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest
from starlette.routing import Mount

from app.flows import engine_control, queue_control
from app.flows.studio import NOWHERE
from app.flows.users import change_user
from app.web.page import build_page
from app.web.server import routed_app
from tests.gradio_events import server_events
from tests.live import Live, ended, sent_picture
from tests.web.access_table import (
    EVENTS,
    GRADIO_PUBLIC,
    GRADIO_SIGNED_IN,
    JOB,
    MAY,
    OURS,
    PEOPLE,
    TURNED_AWAY,
)

# It ships no types.
gradio_client: Any = importlib.import_module("gradio_client")
Way = Callable[[httpx.Client, dict[str, Any], list[Any]], int]
ACTING: Final = [who for who in PEOPLE if who not in TURNED_AWAY]


def walk(routes: list[Any], prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    for route in routes:
        if isinstance(route, Mount):
            yield from walk(list(route.routes or []), prefix + route.path)
        elif hasattr(route, "original_router"):
            inner = prefix + str(getattr(route.include_context, "prefix", "") or "")
            yield from walk(list(route.original_router.routes), inner)
        else:
            yield prefix + route.path, set(route.methods or ()) - {"HEAD"}


def named(path: str) -> str:
    """The path as the application writes it."""
    return path.replace("{job}", "{id}").replace("{image}", "{id}").replace("{upload}", "{id}")


@pytest.fixture(scope="module")
def routes(live: Live) -> list[tuple[str, set[str]]]:
    studio = live.house.studio
    app = routed_app(studio, build_page(studio), root_path="")
    return [(path, methods) for path, methods in walk(list(app.routes)) if len(methods) < 5]


def session_of(live: Live, name: str) -> httpx.Client:
    client = live.client(Origin=live.url)
    assert client.post("/login", data={"username": name, "password": "correct horse battery"}).status_code == 303
    return client


def expire(live: Live, user_id: int) -> None:
    """As if the week were over."""
    database = sqlite3.connect(str(live.house.database.url.database))
    with contextlib.closing(database):
        database.execute("UPDATE sessions SET expires_at = '2020-01-01' WHERE user_id = ?", (user_id,))
        database.commit()


def people(live: Live) -> dict[str, httpx.Client]:
    """One client for each of PEOPLE, all fresh; sessions where the person could have one."""
    label, studio = f"access-{secrets.token_hex(3)}", live.house.studio
    for who in PEOPLE[1:-2]:
        role = who if who in {"guest", "admin"} else "member"
        live.person(f"{label}-{who}", role, must_change=who == "must", quota_daily="unlimited")
    found = {who: session_of(live, f"{label}-{who}") for who in PEOPLE[1:-2]}
    change_user(studio, live.admin(), f"{label}-disabled", {"disabled": True}, NOWHERE)
    expired = studio.store.read(lambda tx: tx.users.by_name(f"{label}-expired"))
    assert expired is not None
    expire(live, expired.user.id)
    member = f"{label}-member"
    found |= {
        "anonymous": live.client(Origin=live.url),
        "narrow": live.client(live.token(member, "read")),
        "wide": live.client(live.token(member)),
    }
    return {who: found[who] for who in PEOPLE}


@pytest.fixture(scope="module")
def clients(live: Live) -> Iterator[dict[str, httpx.Client]]:
    made = people(live)
    yield made
    for client in made.values():
        client.close()


def test_every_route_of_ours_stands_in_the_matrix_and_every_other_is_gradios(
    routes: list[tuple[str, set[str]]],
) -> None:
    """Pitfall peers §d2.1: routes that somebody added without asking who may come."""
    found = {(method, path) for path, methods in routes for method in methods}
    assert {(method, named(path)) for method, path in OURS} <= found
    gradio = {path for path, _ in routes} - {named(path) for _, path in OURS}
    # Everything else is driven below: what is not listed there must be closed.
    assert gradio | {"/gradio_api/theme.css"} >= GRADIO_PUBLIC | GRADIO_SIGNED_IN


@pytest.mark.parametrize(("method", "path"), sorted(OURS), ids=str)
def test_each_person_gets_exactly_what_the_matrix_says(
    live: Live, clients: dict[str, httpx.Client], method: str, path: str
) -> None:
    expected, body = OURS[method, path]
    used = people(live) if path == "/logout" else clients  # nobody else may be signed out by it
    got = {}
    # Other rows of the matrix pause and drain the queue, and unload the model.
    queue_control.resume(live.house.studio, live.admin(), NOWHERE)
    engine_control.load(live.house.studio, live.admin(), {"model": "demo"}, NOWHERE)
    for who, client in used.items():
        address = path.replace("{username}", "nobody").replace("{role}", "nobody")
        if "{upload}" in address:
            address = address.replace("{upload}", sent_picture(used["member"]).json()["id"])
        if "{" in address:
            job = ended(used["member"], used["member"].post("/api/v1/jobs", json=JOB).json()["id"])
            address = address.replace("{job}", job["id"]).replace("{image}", job["images"][0]["id"])
        sent: dict[str, Any] = {}
        if method in {"POST", "PATCH", "PUT"}:
            sent = {"json": body} if method == "PUT" or path.startswith("/api/") else {"data": unique(body)}
        got[who] = client.request(method, address, **sent).status_code
    for client in used.values() if used is not clients else ():
        client.close()
    assert got == dict(zip(PEOPLE, map(int, expected.split()), strict=True))


def unique(form: Any) -> Any:  # noqa: ANN401 - a form
    """Wrong logins of one name would have to wait."""
    if form and "username" in form:
        return form | {"username": f"access-{secrets.token_hex(4)}"}
    return form


def test_every_gradio_route_is_public_for_the_signed_in_or_closed(
    routes: list[tuple[str, set[str]]], clients: dict[str, httpx.Client]
) -> None:
    """Pitfall gradio §10.2: routes of Gradio, new ones too, that answer whoever has not signed in."""
    ours = {named(path) for _, path in OURS}
    for path, methods in routes:
        address = path.replace("{path:path}", "x").replace("{", "").replace("}", "").replace(":path", "")
        for method in methods if path not in ours else ():
            # Reading a stream or running an event is driven below; here it is enough to get past the guard.
            got = {who: status(client, method, address, path) for who, client in clients.items()}
            if path in GRADIO_PUBLIC:
                assert set(got.values()) <= {200, 404}, path
                continue
            # The twin of a public route, with a slash at its end, is closed for everybody.
            if path != "/" and path.rstrip("/") in ours | GRADIO_PUBLIC:
                assert set(got.values()) <= {401, 403, 404}, path
                continue
            assert {got[who] for who in ("anonymous", "disabled", "expired")} == {401}, path
            if path in GRADIO_SIGNED_IN:
                assert got["must"] == 403, path
                assert all(got[who] not in {401, 403, 500} for who in ACTING), (path, got)
            else:
                assert all(got[who] in {404, 405} for who in (*ACTING, "must")), (path, got)


def status(client: httpx.Client, method: str, address: str, path: str) -> int:
    """Streams are only begun."""
    headers = {"Content-Type": "application/json"} if method == "POST" else {}
    content = b"{}" if method == "POST" else None
    address = address.replace("session_hash", secrets.token_hex(6)).replace("event_id", secrets.token_hex(6))
    if path == "/gradio_api/queue/data":
        address += f"?session_hash={secrets.token_hex(6)}"
    with client.stream(method, address, headers=headers, content=content) as answer:
        return answer.status_code


def test_every_event_of_the_page_asks_for_its_permission(live: Live) -> None:
    """Pitfall gradio §10.3: a handler without a permission runs for everybody, however well it is hidden."""
    page = build_page(live.house.studio)
    found = {}
    for function in page.fns.values():
        if function.fn is not None:
            assert hasattr(function.fn, "permission"), function.fn
            found[function.fn.__name__] = function.fn.permission
    assert found == EVENTS
    assert set(EVENTS.values()) == set(MAY)


@pytest.fixture(scope="module")
def scripts(live: Live) -> Iterator[dict[str, httpx.Client]]:
    """As `clients`, for events, some of which end one's own sessions."""
    made = people(live)
    yield made
    for client in made.values():
        client.close()


def joined(client: httpx.Client, event: dict[str, Any], data: list[Any]) -> int:
    """As the page calls events: join the queue by the event's number, read the stream to its end."""
    session = secrets.token_hex(8)
    body = {"data": data, "fn_index": event["id"], "session_hash": session}
    answer = client.post("/gradio_api/queue/join", json=body)
    if answer.status_code == 200:
        with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: ") and json.loads(line[6:]).get("msg") == "process_completed":
                    break
    return answer.status_code


def called(client: httpx.Client, event: dict[str, Any], data: list[Any]) -> int:
    """As scripts call them: by name, also the private ones."""
    answer = client.post(f"/gradio_api/call/{event['api_name']}", json={"data": data})
    if answer.status_code == 200:
        answered = client.get(f"/gradio_api/call/{event['api_name']}/{answer.json()['event_id']}").status_code
        assert answered == 200 or event["api_name"].startswith("end_all")
    return answer.status_code


def ran(client: httpx.Client, event: dict[str, Any], data: list[Any]) -> int:
    """Past the queue; closed for everybody."""
    return client.post(f"/gradio_api/run/{event['api_name']}", json={"data": data}).status_code


def refusals(live: Live, name: str) -> set[int]:
    """The latest ones: a page of the trail has no more."""
    rows = live.house.studio.store.read(lambda tx: tx.audit.list(actor=name, action="access:refused", limit=200))
    return {row.id for row in rows.items if '"not-permitted"' in row.details}


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("way", [joined, called, ran], ids=lambda way: way.__name__)
@pytest.mark.timeout(300)
def test_an_event_runs_only_for_whom_the_matrix_names(
    live: Live, scripts: dict[str, httpx.Client], way: Way, who: str
) -> None:
    """Pitfall peers G3: Gradio runs private functions behind hidden tabs for everybody who calls them."""
    try:
        check_each_event_runs_for_whom_it_may(live, scripts, way, who)
    finally:  # the administrator's own have unloaded the model
        live.engine.become_ready()


def check_each_event_runs_for_whom_it_may(live: Live, scripts: dict[str, httpx.Client], way: Way, who: str) -> None:
    client = scripts[who]
    for event in server_events(scripts["admin"]):
        name = event["api_name"].rstrip("_0123456789")
        data: list[Any] = ["x"] * len(event["inputs"])
        if who in TURNED_AWAY:
            # A route that is closed tells those who must change their password no more than everybody else.
            assert way(client, event, data) == (404 if (way, who) == (ran, "must") else TURNED_AWAY[who]), name
            continue
        person = client.get("/api/v1/me").json()["username"]
        before = refusals(live, person)
        assert way(client, event, data) == (404 if way is ran else 200), name
        refused = len(refusals(live, person) - before)
        assert refused == (0 if way is ran or who in MAY[EVENTS[name]] else 1), (name, who)
        if client.get("/api/v1/me").status_code == 401 and name == "end_all":
            client.close()
            client = scripts[who] = session_of(live, person)


@pytest.mark.parametrize("who", ["guest", "member", "narrow", "wide"])
def test_gradio_client_gets_no_further(live: Live, scripts: dict[str, httpx.Client], who: str) -> None:
    cookie = scripts[who].cookies.get("atelier_session")
    headers = {"Cookie": f"atelier_session={cookie}", "Origin": live.url} if cookie else dict(scripts[who].headers)
    client = gradio_client.Client(live.url, headers=headers, verbose=False, analytics_enabled=False)
    try:
        for event in server_events(scripts["admin"]):
            name = event["api_name"].rstrip("_0123456789")
            if who in MAY[EVENTS[name]]:
                continue
            with pytest.raises(Exception, match=r".+"):
                client.predict(*["x"] * len(event["inputs"]), fn_index=event["id"])
            with pytest.raises(Exception, match=r".+"):
                client.predict(*["x"] * len(event["inputs"]), api_name=f"/{event['api_name']}")
    finally:
        client.close()


@pytest.mark.parametrize("who", ["anonymous", "disabled", "expired", "must"])
def test_gradio_client_does_not_even_open_the_page_of_whoever_may_not_come_in(
    live: Live, clients: dict[str, httpx.Client], who: str
) -> None:
    cookie = clients[who].cookies.get("atelier_session", "")
    headers = {"Cookie": f"atelier_session={cookie}", "Origin": live.url}
    with pytest.raises(Exception, match=r".+"):
        gradio_client.Client(live.url, headers=headers, verbose=False, analytics_enabled=False)
