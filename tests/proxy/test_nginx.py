"""Behind a real nginx: true addresses, TLS, streams that are not kept, sub-paths. Nothing forged gets through."""

import json
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import pytest

from app.flows import login_waits, queue_control
from app.flows.studio import NOWHERE
from app.flows.users import change_user
from tests.gradio_events import server_events
from tests.houses import PASSWORD
from tests.live import JOB, Live
from tests.proxy.nginx import Site

# On one worker, or each would start its own nginx.
pytestmark = pytest.mark.xdist_group("nginx")
FORGED: Final = {
    "X-Forwarded-For": "10.9.9.9, 127.0.0.1",
    "X-Real-IP": "10.9.9.9",
    "Forwarded": "for=10.9.9.9;proto=https;host=evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Prefix": "/evil",
    "X-Gradio-Server": "http://evil.example",
    "X-Request-ID": "forged-by-the-browser",
}
# What is forged is always the opposite of what is.
UPSIDE_DOWN: Final = {"https": "http", "http": "https"}
WRONG: Final = {"password": "not this one"}
HTML: Final = {"Accept": "text/html"}


def sign_in(site: Site, browser: httpx.Client, role: str = "member") -> str:
    """As somebody new; the name."""
    name = f"proxy-{secrets.token_hex(4)}"
    site.live.person(name, role)
    answer = browser.post("login", data={"username": name, "password": PASSWORD, "next": "/"})
    assert answer.status_code == 303, answer.text
    return name


def forged(scheme: str) -> dict[str, str]:
    return {**FORGED, "X-Forwarded-Proto": UPSIDE_DOWN[scheme]}


def last_failure(live: Live) -> tuple[str, str]:
    """Address and request number of the newest wrong login in the trail."""
    row = live.house.studio.store.read(lambda tx: tx.audit.list(action="session:login", limit=1)).items[0]
    assert row.outcome != "success", row
    return row.ip_address, row.request_id


def fail_to_sign_in(browser: httpx.Client) -> httpx.Response:
    return browser.post("login", data={"username": secrets.token_hex(6), **WRONG})


@pytest.mark.parametrize("way", ["replacing", "appending", "http"])
@pytest.mark.parametrize("address", ["127.0.0.2", "127.0.0.3"])
def test_the_trail_knows_the_browser_by_its_own_address_whatever_it_claims(
    sites: dict[str, Site], way: str, address: str
) -> None:
    site = sites[way]
    scheme = httpx.URL(site.url).scheme
    for headers in ({}, forged(scheme), {"X-Forwarded-For": "127.0.0.1"}):
        with site.browser(address, **headers) as browser:
            answer = fail_to_sign_in(browser)
        assert answer.status_code == 401
        number = answer.headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", number), "it is not nginx's"
        assert last_failure(site.live) == (address, number)
        assert ("strict-transport-security" in answer.headers) is (scheme == "https")


def test_whoever_comes_past_nginx_is_not_believed(sites: dict[str, Site]) -> None:
    live = sites["replacing"].live
    direct = Site(live.url, live, sites["replacing"].certificate)
    with direct.browser("127.0.0.2", **forged("http")) as browser:
        answer = fail_to_sign_in(browser)
        assert answer.status_code == 401
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
        assert last_failure(live) == ("127.0.0.2", answer.headers["x-request-id"])
        assert "strict-transport-security" not in answer.headers
        sign_in(direct, browser)
        assert list(browser.cookies) == ["atelier_session"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_of_what_several_proxies_say_the_last_counts(sites: dict[str, Site], scheme: str) -> None:
    live = sites["replacing"].live
    said = {"X-Forwarded-For": "10.9.9.9, 127.0.0.2", "X-Forwarded-Proto": f"{UPSIDE_DOWN[scheme]}, {scheme}"}
    with live.client(live.token("admin"), **said) as proxy:
        answer = fail_to_sign_in(proxy)
        assert last_failure(live)[0] == "127.0.0.2"
        assert ("strict-transport-security" in answer.headers) is (scheme == "https")
        assert proxy.get("/config").json()["root"] == live.url.replace("http:", f"{scheme}:")


@pytest.mark.parametrize("way", ["replacing", "appending", "http", "kept", "stripped"])
def test_gradio_makes_its_addresses_of_the_true_host_and_scheme(sites: dict[str, Site], way: str) -> None:
    site = sites[way]
    headers = forged(httpx.URL(site.url).scheme)
    with site.browser(**headers) as browser:
        sign_in(site, browser)
        assert browser.get("config").json()["root"] == site.url
        page = browser.get("", headers=HTML).text
    assert site.url in page
    assert "evil" not in page


@pytest.mark.usefixtures("whole_minute")
def test_wrong_logins_make_only_their_own_address_wait(sites: dict[str, Site], monkeypatch: pytest.MonkeyPatch) -> None:
    # Loopback addresses are all that a test has, and are not counted.
    monkeypatch.setattr(login_waits, "network_of", str)
    site = sites["appending"]
    for number in range(20):
        with site.browser("127.0.0.2", **{"X-Forwarded-For": f"10.9.9.{number}"}) as browser:
            assert fail_to_sign_in(browser).status_code == 401
    with site.browser("127.0.0.2", **{"X-Forwarded-For": "10.9.9.77"}) as browser:
        answer = fail_to_sign_in(browser)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
    with site.browser("127.0.0.3", **{"X-Forwarded-For": "127.0.0.2"}) as browser:
        assert fail_to_sign_in(browser).status_code == 401


def test_behind_tls_the_cookie_is_one_that_no_plain_page_can_set(sites: dict[str, Site]) -> None:
    site, name = sites["replacing"], f"proxy-{secrets.token_hex(4)}"
    site.live.person(name)
    with site.browser(**forged("https")) as browser:
        answer = browser.post("/login", data={"username": name, "password": PASSWORD})
        pair, *attributes = answer.headers["set-cookie"].split("; ")
        assert pair.startswith("__Host-atelier_session=")
        assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=lax", "Secure"}
        gone = browser.post("/logout").headers["set-cookie"]
        assert gone.startswith('__Host-atelier_session=""')
        assert "Secure" in gone


def test_each_cookie_counts_only_on_its_own_side_of_tls(sites: dict[str, Site]) -> None:
    safe, plain = sites["replacing"], sites["http"]
    for site, own, other in ((safe, "__Host-atelier_session", "atelier_session"), (plain, "atelier_session", "")):
        with site.browser() as browser:
            sign_in(site, browser)
            secret = browser.cookies[own]
        for cookie, status in ((own, 200), (other or "__Host-atelier_session", 401)):
            with site.browser(Cookie=f"{cookie}={secret}") as replay:
                assert replay.get("/api/v1/me").status_code == status, (site.url, cookie)


def test_behind_tls_every_answer_asks_for_tls_from_now_on(sites: dict[str, Site]) -> None:
    for site in (sites["replacing"], sites["http"]):
        with site.browser() as browser:
            answers = [
                browser.get("/login"),
                browser.get("/", headers=HTML),
                browser.get("/api/v1/me"),
                browser.get("/assets/nothing"),
                browser.put("/login"),
                browser.post("/login", data={"username": "x"}, headers={"Origin": "https://evil.example"}),
            ]
        assert [answer.status_code for answer in answers] == [200, 303, 401, 404, 405, 403]
        expected = {"max-age=31536000; includeSubDomains"} if site.url.startswith("https") else {None}
        assert {answer.headers.get("strict-transport-security") for answer in answers} == expected


def test_nginx_hands_on_each_part_of_a_gradio_stream_at_once(sites: dict[str, Site]) -> None:
    site = sites["replacing"]
    studio = site.live.house.studio
    with site.browser() as browser:
        sign_in(site, browser)
        generate = next(event for event in server_events(browser) if event["api_name"] == "generate")
        session = secrets.token_hex(8)
        body = {"data": ["a red circle", 256, 256, 2, 1, 1], "fn_index": generate["id"], "session_hash": session}
        queue_control.pause(studio, site.live.admin(), NOWHERE)
        try:
            browser.post("/gradio_api/queue/join", json=body).raise_for_status()
            with browser.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}, timeout=5) as stream:
                lines = stream.iter_lines()
                # The event goes on until its job ends, which it cannot before the queue is resumed.
                read_until(lines, "process_starts")
                queue_control.resume(studio, site.live.admin(), NOWHERE)
                assert read_until(lines, "process_completed")["success"]
        finally:
            queue_control.resume(studio, site.live.admin(), NOWHERE)


def read_until(lines: Iterator[str], wanted: str) -> dict[str, Any]:
    for line in lines:
        message: dict[str, Any] = json.loads(line[6:]) if line.startswith("data: ") else {}
        if message.get("msg") == wanted:
            return message
    pytest.fail(f"the stream ended before {wanted}")


def test_a_long_poll_through_nginx_answers_when_something_happens(sites: dict[str, Site]) -> None:
    site = sites["replacing"]
    with site.browser() as browser, ThreadPoolExecutor(1) as pool:
        sign_in(site, browser)
        rev = browser.get("/api/v1/events").json()["rev"]
        poll = pool.submit(browser.get, "/api/v1/events", params={"since": rev, "wait": 50}, timeout=10)
        made = browser.post("/api/v1/jobs", json=JOB)
        assert made.status_code == 202
        assert [job["id"] for job in poll.result().json()["jobs"]] == [made.json()["id"]]


@pytest.mark.parametrize("way", ["replacing", "stripped", "kept"])
def test_a_stream_through_nginx_ends_when_the_account_is_disabled(sites: dict[str, Site], way: str) -> None:
    site = sites[way]
    with site.browser() as browser:
        name = sign_in(site, browser)
        # Gradio breaks the silence only every 15 s: without an end of the stream, reading times out.
        with browser.stream("GET", f"gradio_api/heartbeat/{secrets.token_hex(6)}", timeout=2) as stream:
            assert stream.status_code == 200
            change_user(site.live.house.studio, site.live.admin(), name, {"disabled": True}, NOWHERE)
            assert sum(1 for _ in stream.iter_raw()) < 5
        assert browser.get("api/v1/me").status_code == 401


@pytest.mark.parametrize("way", ["stripped", "kept"])
def test_under_a_prefix_everything_stays_under_it(sites: dict[str, Site], way: str) -> None:
    site = sites[way]
    with site.browser() as browser:
        sent_to = browser.get("", headers=HTML)
        assert (sent_to.status_code, sent_to.headers["location"]) == (303, "/studio/login?next=/")
        name = f"proxy-{secrets.token_hex(4)}"
        site.live.person(name)
        login = browser.get(f"https://{httpx.URL(site.url).netloc.decode()}{sent_to.headers['location']}")
        assert 'action="/studio/login"' in login.text
        entered = browser.post("login", data={"username": name, "password": PASSWORD, "next": "/"})
        assert entered.headers["location"] == "/studio/"
        assert "Path=/;" in entered.headers["set-cookie"]
        page = browser.get("", headers=HTML)
        assert page.status_code == 200
        for path in ("assets-atelier/js/studio.js", "theme.css", "config", "api/v1/me", *assets_of(page.text)):
            assert browser.get(path).status_code == 200, path
        event = next(event for event in server_events(browser) if event["api_name"] == "arrive")
        body = {"data": [], "fn_index": event["id"], "session_hash": secrets.token_hex(8)}
        browser.post("gradio_api/queue/join", json=body).raise_for_status()
        session = {"session_hash": body["session_hash"]}
        with browser.stream("GET", "gradio_api/queue/data", params=session, timeout=5) as stream:
            assert read_until(stream.iter_lines(), "process_completed")["success"]
        left = browser.post("logout")
        assert (left.status_code, left.headers["location"]) == (303, "/studio/login")
        assert browser.get("api/v1/me").status_code == 401


def assets_of(page: str) -> set[str]:
    """What the page loads first, as it writes it; of the same site."""
    found = set(re.findall(r'(?:src|href)="(?:\./)?((?:/studio/)?assets/[^"]+)"', page))
    assert found
    return {path.removeprefix("/studio/") for path in found}
