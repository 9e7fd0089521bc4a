"""The access matrix: every route and every Gradio event, and who gets what. One without a row fails."""

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from starlette.routing import Mount

from app.auth.policy import Permission
from app.web.page import build_page
from app.web.server import routed_app
from tests.gradio_events import ran, server_events
from tests.live import JOB, Live

ROLES: Final = ("guest", "member", "admin")
NEW: Final = {"username": "Not A Name", "password": "x", "role": "guest"}
# What each of anonymous, guest, member and admin gets, and the body that is sent. 404: there is no such object.
OURS: Final[dict[tuple[str, str], tuple[tuple[int, int, int, int], object]]] = {
    ("GET", "/login"): ((200, 303, 303, 303), None),
    ("POST", "/login"): ((401, 401, 401, 401), None),
    ("POST", "/logout"): ((303, 303, 303, 303), None),
    ("POST", "/account/language"): ((303, 303, 303, 303), None),
    ("GET", "/account/password"): ((401, 200, 200, 200), None),
    ("GET", "/account/status"): ((401, 200, 200, 200), None),
    ("POST", "/account/password"): ((401, 422, 422, 422), None),
    ("GET", "/healthz"): ((200, 200, 200, 200), None),
    ("GET", "/readyz"): ((200, 200, 200, 200), None),
    ("GET", "/outputs/{id}"): ((401, 404, 404, 404), None),
    ("GET", "/outputs/{id}/thumb"): ((401, 404, 404, 404), None),
    ("GET", "/api/v1/me"): ((401, 200, 200, 200), None),
    ("POST", "/api/v1/jobs"): ((401, 403, 202, 202), JOB),
    ("GET", "/api/v1/jobs"): ((401, 403, 200, 200), None),
    ("GET", "/api/v1/jobs/{id}"): ((401, 404, 404, 404), None),
    ("DELETE", "/api/v1/jobs/{id}"): ((401, 404, 404, 404), None),
    ("GET", "/api/v1/events"): ((401, 403, 200, 200), None),
    ("GET", "/api/v1/images"): ((401, 403, 200, 200), None),
    ("POST", "/api/v1/images/search"): ((401, 404, 404, 404), {}),
    ("GET", "/api/v1/images/{id}"): ((401, 404, 404, 404), None),
    ("DELETE", "/api/v1/images/{id}"): ((401, 404, 404, 404), None),
    ("GET", "/api/v1/admin/users"): ((401, 403, 403, 200), None),
    ("POST", "/api/v1/admin/users"): ((401, 403, 403, 422), NEW),
    ("PATCH", "/api/v1/admin/users/{username}"): ((401, 403, 403, 404), {}),
    ("GET", "/api/v1/admin/audit"): ((401, 403, 403, 200), None),
    ("GET", "/api/v1/admin/queue"): ((401, 403, 403, 200), None),
    ("POST", "/api/v1/admin/queue/pause"): ((401, 403, 403, 200), None),
    ("POST", "/api/v1/admin/queue/resume"): ((401, 403, 403, 200), None),
    ("GET", "/api/v1/openapi.json"): ((401, 403, 403, 200), None),
}
# Gradio's own routes: open to everybody, open to whoever has signed in; all others answer 404.
GRADIO_PUBLIC: Final = {
    "/static/{path:path}",
    "/assets/{path:path}",
    "/favicon.ico",
    "/theme.css",
    "/gradio_api/theme.css",
    "/robots.txt",
    "/manifest.json",
    "/gradio_api/app_id",
}
GRADIO_SIGNED_IN: Final = {
    "/",
    "/config",
    "/gradio_api/info",
    "/gradio_api/queue/join",
    "/gradio_api/queue/data",
    "/gradio_api/queue/status",
    "/gradio_api/call/{api_name}",
    "/gradio_api/call/{api_name}/{event_id}",
    "/gradio_api/call/v2/{api_name}",
    "/gradio_api/call/v2/{api_name}/{event_id}",
    "/gradio_api/heartbeat/{session_hash}",
}
# The events of the page that run on the server, and the permission that each one asks for.
EVENTS: Final = {
    "arrive": Permission.EXAMPLE_READ,
    "show_account": Permission.EXAMPLE_READ,
    "send": Permission.JOB_CREATE,
    "generate": Permission.JOB_CREATE,
    "create": Permission.USER_MANAGE,
    "save": Permission.USER_MANAGE,
    "after": Permission.USER_MANAGE,
    "choose": Permission.USER_MANAGE,
    "reset": Permission.USER_MANAGE,
    "disable": Permission.USER_MANAGE,
    "enable": Permission.USER_MANAGE,
    "show_people": Permission.USER_MANAGE,
    "show_queue": Permission.QUEUE_MANAGE,
    "pause": Permission.QUEUE_MANAGE,
    "resume": Permission.QUEUE_MANAGE,
    "cancel_job": Permission.JOB_CANCEL_ANY,
    "show_events": Permission.AUDIT_READ,
}


def walk(routes: list[Any], prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    for route in routes:
        if isinstance(route, Mount):
            yield from walk(list(route.routes or []), prefix + route.path)
        elif hasattr(route, "original_router"):
            inner = prefix + str(getattr(route.include_context, "prefix", "") or "")
            yield from walk(list(route.original_router.routes), inner)
        else:
            yield prefix + route.path, set(route.methods or ()) - {"HEAD"}


@pytest.fixture(scope="module")
def routes(live: Live) -> list[tuple[str, set[str]]]:
    app = routed_app(live.house.studio, build_page(live.house.studio), root_path="")
    return [(path, methods) for path, methods in walk(list(app.routes)) if len(methods) < 5]


def test_every_route_of_ours_stands_in_the_matrix(routes: list[tuple[str, set[str]]]) -> None:
    found = {(method, path) for path, methods in routes for method in methods}
    assert set(OURS) <= found
    gradio = {path for path, _ in routes} - {path for _, path in OURS}
    assert gradio | {"/gradio_api/theme.css"} >= GRADIO_PUBLIC | GRADIO_SIGNED_IN


@pytest.fixture(scope="module")
def clients(live: Live) -> Iterator[dict[str, httpx.Client]]:
    """By role; the anonymous one says that it is our own page, so that its identity is all that is missing."""
    made = {"anonymous": live.client(Origin=live.url)}
    for role in ROLES:
        live.person(f"access-{role}", role)
        made[role] = live.client(live.token(f"access-{role}"))
    yield made
    for client in made.values():
        client.close()


@pytest.mark.parametrize(("method", "path"), sorted(OURS), ids=str)
def test_each_role_gets_exactly_what_the_matrix_says(clients: dict[str, httpx.Client], method: str, path: str) -> None:
    expected, body = OURS[method, path]
    address = path.replace("{id}", "0" * 16).replace("{username}", "nobody")
    form = {"language": "en", "next": "/"} if path == "/account/language" else {"username": "access-none"}
    sent: dict[str, Any] = {"json": body} if body is not None else {"data": form} if method == "POST" else {}
    got = tuple(clients[who].request(method, address, **sent).status_code for who in ("anonymous", *ROLES))
    assert got == expected


def test_every_gradio_route_is_public_for_the_signed_in_or_closed(
    routes: list[tuple[str, set[str]]], clients: dict[str, httpx.Client]
) -> None:
    ours = {path for _, path in OURS}
    for path, methods in routes:
        address = path.replace("{path:path}", "x").replace("{", "").replace("}", "").replace(":path", "")
        for method in methods if path not in ours else ():
            anonymous = clients["anonymous"].request(method, address).status_code
            if path in GRADIO_PUBLIC:
                assert anonymous in {200, 404}, path
                continue
            # The twin of a public route, with a slash at its end, is closed for everybody.
            twin = path != "/" and path.rstrip("/") in ours | GRADIO_PUBLIC
            assert anonymous in ({401, 404} if twin else {401}), path
            if path not in GRADIO_SIGNED_IN:
                assert clients["admin"].request(method, address).status_code in {404, 405}, path


def test_every_event_of_the_page_asks_for_its_permission(live: Live) -> None:
    page = build_page(live.house.studio)
    found = {}
    for function in page.fns.values():
        if function.fn is not None:
            assert hasattr(function.fn, "permission"), function.fn
            found[function.fn.__name__] = function.fn.permission
    assert found == EVENTS


def test_an_event_runs_only_for_whom_the_matrix_names(clients: dict[str, httpx.Client]) -> None:
    for role, may in (
        ("guest", {"arrive", "show_account"}),
        ("member", {"arrive", "show_account", "send", "generate"}),
    ):
        for event in server_events(clients[role]):
            name = event["api_name"].rstrip("_0123456789")
            if ran(clients[role], event):
                assert name in may, (role, name)
