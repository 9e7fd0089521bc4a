"""Who gets past the guard, and with which headers the answers leave."""

import re

import httpx
import pytest

from app.flows.studio import NOWHERE
from app.flows.users import change_user
from tests.houses import PASSWORD
from tests.live import JOB, Live, ended, token_of

PUBLIC = ["/login", "/healthz", "/readyz", "/gradio_api/app_id", "/theme.css", "/favicon.ico", "/robots.txt"]
CLOSED = [
    ("GET", "/gradio_api/deep_link?session_hash=x"),
    ("POST", "/gradio_api/upload"),
    ("GET", "/gradio_api/file=/etc/hostname"),
    ("GET", "/gradio_api/file=http://127.0.0.1/"),
    ("GET", "/gradio_api/file/etc/hostname"),
    ("GET", "/gradio_api/proxy=http://127.0.0.1/"),
    ("POST", "/gradio_api/component_server"),
    ("GET", "/gradio_api/runs"),
    ("GET", "/gradio_api/run-history/buckets"),
    ("GET", "/gradio_api/startup-events"),
    ("GET", "/gradio_api/token"),
    ("GET", "/gradio_api/user"),
    ("POST", "/gradio_api/vibe-edit"),
    ("GET", "/gradio_api/openapi.json"),
    ("GET", "/monitoring"),
    ("GET", "/monitoring/summary"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("POST", "/gradio_api/cancel"),
    ("POST", "/gradio_api/reset"),
    ("POST", "/login/"),
    ("GET", "/config/"),
]


@pytest.mark.parametrize("path", PUBLIC)
def test_these_answer_without_identity(live: Live, path: str) -> None:
    with live.client() as stranger:
        assert stranger.get(path).status_code in {200, 404, 503}


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/outputs/x", "/api/v1/me", "/nothing", "/admin"])
def test_everything_else_asks_to_sign_in(live: Live, path: str) -> None:
    with live.client() as stranger:
        page = stranger.get(path, headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, f"/login?next={path}")
        script = stranger.get(path)
        assert (script.status_code, script.json()["code"]) == (401, "not-authenticated")
        assert stranger.post(path, headers={"Accept": "text/html"}).status_code == 401


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_gradio_routes_that_nobody_needs_are_closed_for_everybody(live: Live, method: str, path: str) -> None:
    with live.client() as stranger:
        assert stranger.request(method, path).status_code in {401, 404}
    with live.client(token_of(live, "guard-boss", "admin")) as boss:
        answer = boss.request(method, path)
        assert answer.status_code == 404, path


@pytest.mark.parametrize("token", ["-", "x", "atl_000000000000_" + "A" * 43 + "00000000"])
def test_a_wrong_token_is_nobody(live: Live, token: str) -> None:
    with live.client(Authorization=f"Bearer {token}") as stranger:
        assert stranger.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "OWN"}, 202),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "OWN"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"}, 403),
    ],
)
def test_a_session_cookie_works_only_from_our_own_pages(live: Live, headers: dict[str, str], status: int) -> None:
    name = f"guard-site-{abs(hash(str(headers))) % 10_000}"
    live.person(name)
    with live.browser_of(name) as browser:
        cookie = browser.cookies["atelier_session"]
    sent = {key: live.url if value == "OWN" else value for key, value in headers.items()}
    with httpx.Client(base_url=live.url, headers=sent, cookies={"atelier_session": cookie}) as client:
        answer = client.post("/api/v1/jobs", json=JOB)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "cross-site"


def test_a_token_needs_no_origin(live: Live) -> None:
    with live.client(token_of(live, "guard-token")) as script:
        assert script.post("/api/v1/jobs", json=JOB).status_code == 202


def test_signing_in_works_for_curl_and_not_from_another_site(live: Live) -> None:
    live.person("guard-login")
    form = {"username": "Guard-Login", "password": PASSWORD, "next": "/?a=1"}
    with live.client() as curl:
        answer = curl.post("/login", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/?a=1")
        cookie = answer.headers["set-cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/"))
    with live.client(Origin="https://evil.example") as evil:
        assert evil.post("/login", data=form).status_code == 403


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "/a\nb"]
)
def test_signing_in_never_leads_away(live: Live, wanted: str) -> None:
    token_of(live, "guard-next")
    with live.client() as curl:
        answer = curl.post("/login", data={"username": "guard-next", "password": PASSWORD, "next": wanted})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_wrong_names_and_wrong_passwords_get_one_and_the_same_answer_and_then_a_wait(live: Live) -> None:
    """Pitfall peers G7: Gradio lets anybody try passwords as fast as the line allows."""
    token_of(live, "guard-known")
    shown = set()
    with live.client() as curl:
        for name in ("guard-known", "guard-unknown"):
            answer = curl.post("/login", data={"username": name, "password": "not this one"})
            assert answer.status_code == 401
            shown.add(answer.text.replace(name, ""))
        assert len({re.sub(r'nonce="[^"]*"', "", text) for text in shown}) == 1
        tries = [curl.post("/login", data={"username": "guard-known", "password": "not this one"}) for _ in range(5)]
        assert [answer.status_code for answer in tries] == [401] * 4 + [429]
        assert int(tries[-1].headers["retry-after"]) >= 1
        right = curl.post("/login", data={"username": "guard-known", "password": PASSWORD})
        assert right.status_code == 429


def test_passwords_are_masked_and_may_be_pasted(live: Live) -> None:
    token_of(live, "guard-mask")
    with live.browser_of("guard-mask") as browser, live.client() as stranger:
        pages = {"password": stranger.get("/login"), "old": browser.get("/account/password")}
    for field, page in pages.items():
        inputs = re.findall(rf'<input[^>]*name="{field}"[^>]*>', page.text)
        assert len(inputs) == 1
        assert 'type="password"' in inputs[0]
        assert 'autocomplete="current-password"' in inputs[0]
        assert "paste" not in page.text


def test_a_new_login_gets_a_new_session_and_ends_the_one_that_the_browser_had(live: Live) -> None:
    token_of(live, "guard-fixed")
    form = {"username": "guard-fixed", "password": PASSWORD}
    with live.browser_of("guard-fixed") as browser:
        before = browser.cookies["atelier_session"]
        assert browser.post("/login", data={**form, "password": "not this one"}).status_code == 401
        assert browser.get("/api/v1/me").status_code == 200
        assert browser.post("/login", data=form).status_code == 303
        assert browser.cookies["atelier_session"] != before
        assert browser.get("/api/v1/me").status_code == 200
    # What an attacker may have planted, or kept, is worth nothing.
    for cookie in (before, "x" * 43, ""):
        with httpx.Client(base_url=live.url, headers={"Cookie": f"atelier_session={cookie}"}) as replay:
            assert replay.get("/api/v1/me").status_code == 401


def test_signing_out_ends_the_session_on_the_server(live: Live) -> None:
    token_of(live, "guard-out")
    with live.browser_of("guard-out") as browser:
        cookie = browser.cookies["atelier_session"]
        assert browser.get("/api/v1/me").status_code == 200
        assert browser.get("/logout").status_code == 405
        assert browser.post("/logout").status_code == 303
    with httpx.Client(base_url=live.url, cookies={"atelier_session": cookie}) as replay:
        assert replay.get("/api/v1/me").status_code == 401


def test_a_password_that_must_be_changed_opens_only_its_own_page(live: Live) -> None:
    live.person("guard-must", must_change=True)
    token = live.token("guard-must")
    with live.client(token) as script:
        answer = script.get("/api/v1/me")
        assert (answer.status_code, answer.json()["code"]) == (403, "password-change-required")
    with live.browser_of("guard-must") as browser:
        page = browser.get("/", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/account/password")
        assert browser.get("/account/password").status_code == 200
        for new in ("short", PASSWORD):
            assert browser.post("/account/password", data={"old": PASSWORD, "new": new}).status_code == 422
        wrong = browser.post("/account/password", data={"old": "not this one", "new": "another battery staple"})
        assert wrong.status_code == 422
        with live.browser_of("guard-must") as other:
            done = browser.post("/account/password", data={"old": PASSWORD, "new": "another battery staple"})
            assert done.status_code == 303
            assert browser.get("/api/v1/me").status_code == 200
            assert other.get("/api/v1/me").status_code == 401


def test_a_role_that_changed_holds_from_the_next_request_on(live: Live) -> None:
    token_of(live, "guard-role", "admin")
    with live.browser_of("guard-role") as browser:
        assert browser.get("/api/v1/admin/users").status_code == 200
        change_user(live.house.studio, live.admin(), "guard-role", {"role": "member"}, NOWHERE)
        assert browser.get("/api/v1/admin/users").status_code == 403


@pytest.mark.parametrize("path", ["/login", "/healthz", "/api/v1/me", "/", "/assets-atelier/none.js"])
def test_every_answer_carries_the_security_headers(live: Live, path: str) -> None:
    with live.client() as stranger:
        headers = stranger.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers


def test_only_the_studio_page_may_evaluate_and_each_page_has_its_own_nonce(live: Live) -> None:
    token_of(live, "guard-csp")
    with live.browser_of("guard-csp") as browser:
        pages = [browser.get(path, headers={"Accept": "text/html"}) for path in ("/", "/", "/account/password")]
    policies = [page.headers["content-security-policy"] for page in pages]
    assert ["'unsafe-eval'" in policy for policy in policies] == [True, True, False]
    scripts = [re.search(r"script-src[^;]*", policy) for policy in policies]
    assert not any("'unsafe-inline'" in found[0] for found in scripts if found)
    nonces = [re.search(r"'nonce-([^']+)'", policy) for policy in policies]
    assert len({found[1] for found in nonces if found}) == 3
    assert nonces[0] is not None
    assert pages[0].text.count("<script") == pages[0].text.count(f'<script nonce="{nonces[0][1]}"')


def test_the_page_speaks_the_persons_language_and_names_no_other_host(live: Live) -> None:
    token_of(live, "guard-lang")
    with live.browser_of("guard-lang") as browser:
        for language in ("zh-CN", "en"):
            assert browser.post("/account/language", data={"language": language}).status_code == 303
            page = browser.get("/", headers={"Accept": "text/html"}).text
            assert re.findall(r"<html\s+lang=\"([^\"]*)\"", page) == [language]
            assert not re.findall(r"<meta[^>]*(?:og|twitter):[^>]*>", page)
            assert not re.findall(r"(?:src|href)=\"https?://[^\"]*", page)


def test_a_foreign_origin_is_never_reflected(live: Live) -> None:
    """Pitfall gradio §10.5: Gradio reflects every origin, with credentials, under any name but localhost."""
    with live.client(Origin="https://evil.example", Host="team.example.com") as evil:
        for path in ("/", "/config", "/gradio_api/app_id", "/gradio_api/info", "/theme.css"):
            assert "access-control-allow-origin" not in evil.get(path).headers
        assert (
            "access-control-allow-origin"
            not in evil.options("/gradio_api/queue/join", headers={"Access-Control-Request-Method": "POST"}).headers
        )


def test_a_session_works_beside_the_password_of_a_proxy(live: Live) -> None:
    token_of(live, "guard-basic")
    with live.browser_of("guard-basic") as browser:
        assert browser.get("/api/v1/me", headers={"Authorization": "Basic dTpw"}).status_code == 200


def test_a_forged_forwarding_header_changes_nothing(live: Live) -> None:
    with live.client(**{"X-Forwarded-For": "10.9.9.9", "X-Forwarded-Proto": "https"}) as curl:
        answer = curl.post("/login", data={"username": "guard-forged", "password": "not this one"})
        assert answer.status_code == 401
        assert "strict-transport-security" not in answer.headers
    rows = live.house.studio.store.read(lambda tx: tx.audit.list(action="session:login", limit=1)).items
    assert rows[0].ip_address == "127.0.0.1"


def test_text_is_compressed_and_pictures_are_not_compressed_again(live: Live) -> None:
    with live.client(token_of(live, "guard-zip")) as script:
        config = script.get("/config", headers={"Accept-Encoding": "gzip"})
        assert config.headers.get("content-encoding") == "gzip"
        job = ended(script, script.post("/api/v1/jobs", json=JOB).json()["id"])
        picture = script.get(job["images"][0]["url"], headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in picture.headers
