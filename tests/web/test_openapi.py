"""The document of `/api/v1` and the server: each says what the other does."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Mount

from app.domain.uploads import MAX_BYTES
from app.flows import queue_control
from app.flows.studio import NOWHERE
from app.store.rows import MAX_LIMIT
from app.web.bodies import MAX_BODY
from app.web.openapi import document
from app.web.page import build_page
from app.web.server import routed_app
from tests.engine.waiting import wait_for
from tests.houses import PASSWORD
from tests.live import JOB, Live, ended, live_server
from tests.pictures import picture

PREFIX: Final = "/api/v1"
METHODS: Final = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
# Not there until the studio comes; a test sees that they answer 404.
NOT_YET: Final = {("POST", "/images/search")}
NOBODY: Final = {"id": "0" * 16, "username": "nobody", "role": "nobody"}


def closed(described: dict[str, Any]) -> dict[str, Any]:
    """The document without room for properties that it does not name: nothing is answered behind its back."""
    copy: dict[str, Any] = json.loads(json.dumps(described))
    for schema in copy["components"]["schemas"].values():
        schema.setdefault("additionalProperties", False)
    return copy


PROFILE: Final = hypothesis.settings()
schema = schemathesis.openapi.from_dict(closed(document(PREFIX)))
schema.config.generation.update(
    max_examples=PROFILE.max_examples // 8,
    deterministic=PROFILE.derandomize,
    with_security_parameters=False,
)


def operations() -> set[tuple[str, str]]:
    """(method, path) of everything in the document."""
    paths = document(PREFIX)["paths"]
    return {(method.upper(), path) for path, item in paths.items() for method in METHODS & set(item)}


def agree(method: str, path: str, answer: httpx.Response) -> None:
    """The answer is what the document says of that operation."""
    checks = [
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
    ]
    schema[path][method].Case(path_parameters=NOBODY).validate_response(answer, checks=checks)


def filled(path: str, **names: str) -> str:
    return PREFIX + path.format(**NOBODY | names)


# Document and routes


def test_every_route_is_in_the_document_and_every_operation_has_a_route(live: Live) -> None:
    routes = routed_app(live.house.studio, build_page(live.house.studio), root_path="").routes
    mounted = next(route for route in routes if isinstance(route, Mount) and route.path == PREFIX)
    found = {(method, route.path) for route in mounted.routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]  # all are Routes
    assert found - NOT_YET == operations()
    assert not [route for route in routes if str(getattr(route, "path", "")).startswith(f"{PREFIX}/")]


@pytest.mark.parametrize(("method", "path"), sorted(NOT_YET))
def test_what_is_not_in_the_document_is_not_there(live: Live, method: str, path: str) -> None:
    with live.client(live.token("admin")) as boss:
        assert boss.request(method, PREFIX + path, json={}).status_code == 404


def test_a_wrong_method_is_told_all_right_ones(live: Live) -> None:
    with live.client(live.token("admin")) as boss:
        for path in document(PREFIX)["paths"]:
            answer = boss.put(filled(path))
            right = {method for method, each in operations() if each == path}
            assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed"), path
            allowed = set(answer.headers["allow"].replace(" ", "").split(","))
            assert allowed == right | ({"HEAD"} if "GET" in right else set()), path
            if "GET" in right:
                assert boss.head(filled(path)).status_code == boss.get(filled(path)).status_code, path


# The document itself


def test_the_document_is_valid() -> None:
    schema.validate()
    assert schema.specification.version == "3.1.1"
    used = json.dumps(document(PREFIX))
    components = document(PREFIX)["components"]
    for kind in ("schemas", "parameters", "headers"):
        assert [name for name in components[kind] if f'"#/components/{kind}/{name}"' not in used] == []
    names = [
        item[method]["operationId"] for item in document(PREFIX)["paths"].values() for method in METHODS & set(item)
    ]
    assert len(names) == len(set(names))


def test_lists_are_as_long_as_the_document_says() -> None:
    assert document(PREFIX)["components"]["parameters"]["Limit"]["schema"]["maximum"] == MAX_LIMIT


@pytest.mark.parametrize("prefix", ["", "/studio"])
def test_the_document_tells_where_the_server_is(tmp_path: Path, prefix: str) -> None:
    with live_server(tmp_path, root_path=prefix) as server, server.client(server.token("admin")) as boss:
        for asked in {PREFIX, prefix + PREFIX}:
            served = boss.get(f"{asked}/openapi.json")
            assert served.headers["content-type"] == "application/json"
            assert served.json() == document(f"{prefix}{PREFIX}")
        assert boss.get(f"{document(f'{prefix}{PREFIX}')['servers'][0]['url']}/me").json()["username"] == "admin"


# What succeeds


def test_every_success_is_seen_and_is_as_described(tmp_path: Path) -> None:
    """On a server of its own: what is thrown at the other one pauses and fills its queue."""
    seen = set()

    def ask(client: httpx.Client, method: str, path: str, **sent: Any) -> Any:  # noqa: ANN401 - JSON
        answer = client.request(method, filled(path, **where), **sent)
        agree(method, path, answer)
        seen.add((method, path, str(answer.status_code)))
        return answer.json() if answer.content else None

    where: dict[str, str] = {}
    with live_server(tmp_path) as server, server.script_of("told", "admin") as boss:
        where["id"] = ask(boss, "POST", "/jobs", json=JOB, headers={"Idempotency-Key": "k"})["id"]
        ask(boss, "POST", "/jobs", json=JOB, headers={"Idempotency-Key": "k"})
        image = ended(boss, where["id"])["images"][0]["id"]
        agree("GET", "/jobs/{id}/preview", preview := previewed(server, boss))
        seen.add(("GET", "/jobs/{id}/preview", str(preview.status_code)))
        for path in ("/me", "/jobs", "/jobs/{id}", "/events", "/images", "/admin/users", "/admin/audit"):
            ask(boss, "GET", path)
        ask(boss, "POST", "/admin/queue/pause")
        where["id"] = ask(boss, "POST", "/jobs", json=JOB)["id"]
        assert ask(boss, "GET", "/admin/queue")["items"]
        assert ask(boss, "GET", "/events")["jobs"]
        ask(boss, "DELETE", "/jobs/{id}")
        ask(boss, "POST", "/admin/queue/resume")
        where |= {"id": image, "username": "told-too"}
        ask(boss, "GET", "/images/{id}")
        ask(boss, "DELETE", "/images/{id}")
        new = {"username": "told-too", "password": PASSWORD, "role": "member"}
        ask(boss, "POST", "/admin/users", json=new)
        where["id"] = ask(boss, "POST", "/uploads", content=picture(), headers={"Content-Type": "image/png"})["id"]
        assert ask(boss, "GET", "/uploads")["items"]
        ask(boss, "DELETE", "/uploads/{id}")
        (server.outputs.parent / "models" / "loras").mkdir()
        (server.outputs.parent / "models" / "loras" / "ink.safetensors").write_bytes(b"")
        assert ask(boss, "GET", "/loras")["items"]
        steer(lambda method, path, **sent: ask(boss, method, path, **sent), where)
        ask(boss, "POST", "/admin/queue/drain")
        ask(boss, "GET", "/openapi.json")
    promised = {
        (method, path, status)
        for method, path in operations()
        for status in document(PREFIX)["paths"][path][method.lower()]["responses"]
        if status.startswith("2")
    }
    assert seen == promised


def steer(ask: Callable[..., Any], where: dict[str, str]) -> None:
    """Accounts, limits and the engine, as an administrator changes them."""
    ask("PATCH", "/admin/users/{username}", json={"quota_daily": 7})
    assert ask("POST", "/admin/users/{username}/quota", json={"amount": 5, "reason": "b"})["daily"] == 12
    assert ask("GET", "/admin/users/{username}/quota")["items"]
    ask("GET", "/admin/roles")
    where["role"] = "guest"
    ask("PATCH", "/admin/roles/{role}", json={"weight": 2})
    ask("PATCH", "/admin/departments", json={"department": "Design", "budget_monthly": 100})
    assert ask("GET", "/admin/departments")["items"]
    assert ask("GET", "/admin/engine")["models"]
    ask("POST", "/admin/engine/load", json={"model": "demo"})
    ask("POST", "/admin/engine/unload")


def previewed(server: Live, script: httpx.Client) -> httpx.Response:
    """What there is to see of a job in the making."""
    server.engine.previews = True
    server.engine.hold()
    job = script.post(f"{PREFIX}/jobs", json=JOB).json()["id"]
    server.engine.let(1)
    wait_for(lambda: script.get(f"{PREFIX}/jobs/{job}").json()["preview"] is not None)
    shown = script.get(f"{PREFIX}/jobs/{job}/preview")
    server.engine.let(None)
    ended(script, job)
    return shown


# What is refused


@pytest.mark.parametrize(("method", "path"), sorted(operations()))
def test_what_any_request_may_meet_is_as_described(live: Live, method: str, path: str) -> None:
    most = MAX_BYTES if (method, path) == ("POST", "/uploads") else MAX_BODY
    name = f"met-{zlib.crc32(f'{method} {path}'.encode()):08x}"
    live.person(name, "admin", must_change=True)
    with live.client() as stranger, live.client(live.token(name)) as new, live.client(live.token("admin")) as boss:
        met = [
            stranger.request(method, filled(path)),
            new.request(method, filled(path)),
            boss.request(method, filled(path), headers=[("Origin", "a"), ("Origin", "b")]),
            boss.request(method, filled(path), content=bytes(most + 1)),
        ]
        if method == "GET":
            met.append(stranger.get(filled(path), headers={"Accept": "text/html"}))
        else:
            with live.browser_of("admin") as browser:
                met.append(browser.request(method, filled(path), headers={"Origin": "https://elsewhere.example"}))
    for answer in met:
        agree(method, path, answer)
    last = [303] if method == "GET" else [403]
    assert [answer.status_code for answer in met] == [401, 403, 400, 413, *last]


def test_every_way_to_refuse_a_click_is_as_described(tmp_path: Path) -> None:
    met: dict[str, httpx.Response] = {}

    def click(script: httpx.Client, **fields: object) -> None:
        answer = script.post(f"{PREFIX}/jobs", json={**JOB, **fields})
        agree("POST", "/jobs", answer)
        met[answer.json().get("code", "")] = answer

    with live_server(tmp_path, member_jobs_per_minute=60) as server:
        server.engine.hang()
        with server.script_of("poor", quota_daily=1) as poor, server.script_of("busy", quota_daily=1000) as busy:
            click(poor, count=2)
            for _ in range(90):  # more than fit into two halves of a minute
                click(busy)
            queue_control.drain(server.house.studio, server.admin(), NOWHERE)
            click(poor)
            queue_control.resume(server.house.studio, server.admin(), NOWHERE)
            server.engine.break_down()
            click(poor)
    codes = {"", "quota-exceeded", "too-many-jobs", "rate-limited", "service-paused", "engine-unavailable"}
    assert set(met) == codes
    assert {code for code, answer in met.items() if "retry-after" in answer.headers} == {
        "quota-exceeded",
        "rate-limited",
    }
