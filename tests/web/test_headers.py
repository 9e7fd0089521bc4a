"""The headers of every answer: each route of the access matrix, each kind of error, streams, pictures, pages."""

import re
import secrets
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from app.flows import account
from tests.live import JOB, Live, ended
from tests.web.access_table import GRADIO_PUBLIC, OURS

FOREIGN: Final = "https://evil.example"
ALWAYS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
NOTHING: Final = {"default-src 'none'", "frame-ancestors 'none'"}
DOCUMENT: Final = {"default-src 'self'", "object-src 'none'", "base-uri 'self'", "frame-ancestors 'none'"}
HTML: Final = {"Accept": "text/html"}
# Filled in where the address of the server is known.
OWN: Final = {"Origin": "OWN"}
FORM: Final = "application/x-www-form-urlencoded"
TEXT: Final = {"content": b"x", "headers": {"Content-Type": "text/plain"}}
# The same program for everybody; all else shows who is asking, if only by being there.
NOBODYS: Final = ("/assets/", "/static/")
CACHING: Final = {"/assets-atelier/": "no-cache", "/outputs/": "private, no-cache"}


def wrong(answer: httpx.Response) -> list[str]:
    """What the answer's headers lack, or have too much."""
    headers, path = answer.headers, answer.url.path
    found = [f"{name}: {headers.get(name)}" for name, value in ALWAYS.items() if headers.get(name) != value]
    found += [name for name in ("server", "x-powered-by", "access-control-allow-origin") if name in headers]
    if not re.fullmatch(r"[0-9a-f]{16}", headers.get("x-request-id", "")):
        found.append("x-request-id")
    kind = headers.get("content-type", "")
    policy = {part.strip() for part in headers.get("content-security-policy", "").split(";")}
    if not policy >= DOCUMENT if kind.startswith("text/html") else policy != NOTHING:
        found.append(f"policy of {kind}: {policy}")
    if ("'unsafe-eval'" in str(policy)) is not (path == "/" and kind.startswith("text/html")):
        found.append("evaluation")
    if not path.startswith(NOBODYS) or answer.status_code >= 300:
        is_file = answer.status_code in {200, 206, 304}
        kept = next((value for part, value in CACHING.items() if path.startswith(part) and is_file), "no-store")
        own_assets = path.startswith("/assets-atelier/")
        if headers.get("cache-control") != ("no-cache" if own_assets else kept):
            found.append(f"cache-control: {headers.get('cache-control')}")
    if kind.startswith("text/event-stream") and headers.get("x-accel-buffering") != "no":
        found.append("x-accel-buffering")
    return found


@pytest.fixture(scope="module")
def clients(live: Live) -> Iterator[dict[str, httpx.Client]]:
    """Tokens are not asked where they come from: theirs come from a foreign page."""
    for name, role in (("headers-member", "member"), ("headers-boss", "admin"), ("headers-guest", "guest")):
        live.person(name, role)
    made = {
        "anonymous": live.client(Origin=FOREIGN),
        "guest": live.client(live.token("headers-guest"), Origin=FOREIGN),
        "member": live.client(live.token("headers-member"), Origin=FOREIGN),
        "admin": live.client(live.token("headers-boss"), Origin=FOREIGN),
    }
    with live.browser_of("headers-member") as browser:
        yield made | {"session": browser}
    for client in made.values():
        client.close()


@pytest.fixture(scope="module")
def picture(clients: dict[str, httpx.Client]) -> dict[str, str]:
    """The member's job and image."""
    member = clients["member"]
    job = ended(member, member.post("/api/v1/jobs", json=JOB).json()["id"])
    return {"{job}": job["id"], "{image}": job["images"][0]["id"], "{username}": "nobody"}


def address(path: str, picture: dict[str, str]) -> str:
    for name, value in picture.items():
        path = path.replace(name, value)
    return path


# What deletes comes last; signing out has a test of its own.
ROWS: Final = sorted((row for row in OURS if row[1] != "/logout"), key=lambda row: (row[0] == "DELETE", row))


def test_every_route_of_ours_answers_with_the_security_headers(
    live: Live, clients: dict[str, httpx.Client], picture: dict[str, str]
) -> None:
    for method, path in ROWS:
        body: Any = OURS[method, path][1]
        sent: dict[str, Any] = {}
        if method in {"POST", "PATCH"}:
            sent = {"json": body} if path.startswith("/api/") else {"data": body}
        for who, client in clients.items():
            answer = client.request(method, address(path, picture), **sent)
            live.engine.become_ready()  # the administrator has unloaded it
            assert answer.status_code < 500, (who, method, path)
            assert not wrong(answer), (who, method, path, answer.status_code, wrong(answer))


def test_every_page_and_public_part_of_gradio_answers_with_the_security_headers(
    clients: dict[str, httpx.Client],
) -> None:
    studio = clients["session"].get("/", headers=HTML)
    assert studio.status_code == 200
    assets = set(re.findall(r'(?:src|href)="(?:\./|http://[^/"]+/)?/?(assets/[^"]+)"', studio.text))
    assert assets
    paths = [path.replace("{path:path}", "x") for path in GRADIO_PUBLIC]
    paths += [
        "/",
        "/config",
        "/gradio_api/info",
        "/gradio_api/queue/status",
        "/assets-atelier/js/studio.js",
        *(f"/{asset}" for asset in assets),
    ]
    for path in sorted(paths):
        for who, client in clients.items():
            for headers in ({}, HTML):
                answer = client.get(path, headers=headers)
                assert not wrong(answer), (who, path, answer.status_code, wrong(answer))


ERRORS: Final[list[tuple[int, str, str, str, dict[str, Any]]]] = [
    (400, "member", "GET", "/api/v1/me", {"headers": [("Origin", "http://a"), ("Origin", "http://b")]}),
    (400, "member", "GET", "/a%00", {}),
    (401, "anonymous", "GET", "/api/v1/me", {}),
    (401, "anonymous", "GET", "/outputs/x", {}),
    (401, "anonymous", "POST", "/gradio_api/queue/join", {"json": {}}),
    (303, "anonymous", "GET", "/", {"headers": HTML}),
    (303, "anonymous", "GET", "/outputs/x", {"headers": HTML}),
    (303, "session", "GET", "/login", {"headers": HTML}),
    (403, "anonymous", "POST", "/login", {"data": {"username": "x"}}),
    (403, "session", "POST", "/api/v1/jobs", {"json": JOB, "headers": {"Origin": FOREIGN}}),
    (403, "member", "GET", "/api/v1/admin/users", {}),
    (404, "session", "GET", "/nothing", {"headers": HTML}),
    (404, "member", "GET", "/api/v1/nothing", {}),
    (404, "member", "GET", "/outputs/nothing", {}),
    (404, "anonymous", "GET", "/assets/nothing.js", {}),
    (404, "anonymous", "GET", "/static/nothing.js", {}),
    (404, "anonymous", "GET", "/assets-atelier/nothing.js", {}),
    (404, "admin", "POST", "/gradio_api/upload", {}),
    (405, "member", "PUT", "/login", {}),
    (405, "member", "PUT", "/api/v1/me", {}),
    (405, "anonymous", "TRACE", "/login", {"headers": OWN}),
    (413, "member", "POST", "/api/v1/jobs", {"content": b"x" * ((1 << 20) + 1)}),
    (415, "member", "POST", "/api/v1/jobs", TEXT),
    (415, "member", "POST", "/gradio_api/queue/join", TEXT),
    (422, "member", "POST", "/api/v1/jobs", {"json": {}}),
]


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: "-".join(map(str, row[:4])))
def test_every_error_answers_with_the_security_headers(
    live: Live, clients: dict[str, httpx.Client], row: tuple[int, str, str, str, dict[str, Any]]
) -> None:
    status, who, method, path, sent = row
    if sent.get("headers") == OWN:
        sent = {"headers": {"Origin": live.url}}
    answer = clients[who].request(method, path, **sent)
    assert answer.status_code == status, answer.text
    assert not wrong(answer)


@pytest.mark.parametrize("path", ["/api/v1/me", "/account/password", "/login"])
def test_an_answer_to_our_own_fault_carries_the_headers_and_no_word_of_it(
    live: Live, clients: dict[str, httpx.Client], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(account, "me", fail)
    monkeypatch.setattr("app.web.routes.account.password_page", fail)
    monkeypatch.setattr("app.web.routes.login.sign_in", fail)
    if path == "/login":
        with live.client() as curl:
            answer = curl.post(path, data={"username": "x", "password": "y"})
    else:
        answer = clients["session"].get(path)
    assert answer.status_code == 500
    assert not wrong(answer)
    assert not re.search(r"secret|Traceback|RuntimeError|\.py", answer.text)


def test_a_preflight_from_a_foreign_page_gets_no_permission(clients: dict[str, httpx.Client]) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for path in ("/", "/config", "/api/v1/jobs", "/gradio_api/queue/join", "/login", "/outputs/x"):
        for who in ("anonymous", "member"):
            answer = clients[who].options(path, headers=asked)
            assert not wrong(answer), (who, path, wrong(answer))
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("who", ["member", "session"])
def test_every_stream_tells_proxies_not_to_keep_it(clients: dict[str, httpx.Client], who: str) -> None:
    client, session = clients[who], secrets.token_hex(6)
    event = client.post("/gradio_api/call/arrive", json={"data": []}).json()["event_id"]
    for path in (
        f"/gradio_api/heartbeat/{session}",
        f"/gradio_api/queue/data?session_hash={session}",
        f"/gradio_api/call/arrive/{event}",
    ):
        with client.stream("GET", path) as answer:
            assert answer.status_code == 200, path
            assert answer.headers["content-type"].startswith("text/event-stream"), path
            assert not wrong(answer), path


def test_a_picture_is_kept_by_the_browser_alone_and_asked_for_again(live: Live) -> None:
    with live.script_of("headers-picture") as script:
        job = ended(script, script.post("/api/v1/jobs", json=JOB).json()["id"])
        for path in (job["images"][0]["url"], job["images"][0]["thumb_url"]):
            whole = script.get(path)
            part = script.get(path, headers={"Range": "bytes=0-3"})
            again = script.get(path, headers={"If-None-Match": whole.headers["etag"]})
            too_far = script.get(path, headers={"Range": "bytes=999999999-"})
            answers = (whole, part, again, too_far)
            assert [answer.status_code for answer in answers] == [200, 206, 304, 416]
            assert [answer.headers["cache-control"] for answer in answers] == ["private, no-cache"] * 3 + ["no-store"]
            assert not any(wrong(answer) for answer in answers)


def test_signing_out_tells_the_browser_to_forget(live: Live) -> None:
    live.person("headers-out")
    with live.browser_of("headers-out") as browser:
        answer = browser.post("/logout")
    assert answer.status_code == 303
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert not wrong(answer)


LARGEST: Final = 1 << 20
LARGEST_OF_GRADIO: Final = 1 << 16
SIZED: Final = [
    ("/api/v1/jobs", "application/json", b'{"prompt":"', LARGEST),
    ("/login", FORM, b"username=", LARGEST),
    ("/account/password", FORM, b"old=", LARGEST),
    ("/account/language", FORM, b"language=", LARGEST),
    ("/account/language", "application/json", b'{"language":"', LARGEST),
    ("/gradio_api/queue/join", "application/json", b'{"data":"', LARGEST_OF_GRADIO),
    ("/gradio_api/call/generate", "application/json", b'{"data":"', LARGEST_OF_GRADIO),
]


@pytest.mark.parametrize("way", ["announced", "in chunks"])
@pytest.mark.parametrize("row", SIZED, ids=lambda row: f"{row[0]}-{row[1]}")
def test_one_byte_more_than_a_body_may_have_is_too_large(
    live: Live, clients: dict[str, httpx.Client], row: tuple[str, str, bytes, int], way: str
) -> None:
    path, kind, head, largest = row
    headers = {"Content-Type": kind, "Origin": live.url}
    for size, is_too_large in ((largest, False), (largest + 1, True), (LARGEST + 1, True)):
        body = head.ljust(size, b"x")
        content = body if way == "announced" else chunks(body)
        answer = clients["session"].post(path, content=content, headers=headers)
        assert (answer.status_code == 413) is is_too_large, answer.text
        assert not wrong(answer)
        if is_too_large:
            assert answer.json()["code"] == "payload-too-large"


def chunks(body: bytes) -> Iterator[bytes]:
    """Sent without saying how long it will be."""
    for start in range(0, len(body), 1 << 16):
        yield body[start : start + (1 << 16)]
