"""Every page and tab in a real Chromium, for every role, language and look: nothing blocked, broken or foreign."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.browser.chromium import Visit
from tests.houses import PASSWORD
from tests.live import JOB, Live, ended

SOON: Final = 15_000
# What each role finds: the tabs in their order, and what is there once they have been filled.
FILLED: Final = {
    "generate": "#prompt textarea",
    "gallery": "#library img",
    "account": "#sessions .badge-here",
    "admin": "#admin-people table",
}
ADMIN: Final = {
    "people": "#admin-people table",
    "queue": "#admin-queue .html-container > *",
    "activity": "#audit table",
}
TABS: Final = {
    "guest": ("account", "generate"),
    "member": ("gallery", "account", "generate"),
    "admin": ("gallery", "account", "admin", "generate"),
}
LOOKS: Final = [
    ("guest", "en-US", "light"),
    ("member", "zh-CN", "dark"),
    ("admin", "en-US", "dark"),
    ("admin", "zh-CN", "light"),
]


def expect_only(visit: Visit, status: int) -> None:
    """The browser complains of a page that is an error, and of nothing else."""
    assert len(visit.complaints) == 1, visit.complaints
    assert f"status of {status}" in visit.complaints.pop()
    visit.is_content()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("role", "locale", "scheme"), LOOKS)
def test_every_page_opens_without_a_violation_an_error_or_a_foreign_host(
    live: Live, browser: Browser, role: str, locale: str, scheme: str
) -> None:
    name = f"policy-{role}-{scheme}"
    live.person(name, role)
    if role != "guest":
        with live.client(live.token(name)) as script:
            ended(script, script.post("/api/v1/jobs", json=JOB).json()["id"])
    looks: dict[str, Any] = {"locale": locale, "color_scheme": scheme}
    visit = Visit(browser, live.url, **looks)
    wrong_login(visit)
    visit.sign_in(name, PASSWORD)
    visit.arrives()
    expect(visit.page.locator("html")).to_have_attribute("lang", locale.removesuffix("-US"))
    for tab in TABS[role]:
        visit.page.locator(f"#tab-{tab}-button").click()
        expect(visit.page.locator(FILLED[tab]).first).to_be_visible(timeout=SOON)
        if tab == "admin":
            open_each_part(visit.page)
        if tab == "gallery":
            look_at_a_picture(visit.page)
    expect(visit.page.locator("#tabs > .tab-wrapper [role=tab]:visible")).to_have_count(len(TABS[role]))
    visit.is_content()

    # In a window of its own: leaving the studio cuts Gradio's stream, and it says so in the console.
    other = Visit(browser, live.url, storage_state=visit.context.storage_state(), **looks)
    other.page.goto(f"{live.url}/account/password")
    expect(other.page.locator("[name=old]")).to_be_visible()
    other.is_content()
    other.page.goto(f"{live.url}/nothing")
    expect_only(other, 404)
    for window in (visit, other):
        window.context.close()


def wrong_login(visit: Visit) -> None:
    visit.sign_in("policy-nobody", "not this one")
    expect(visit.page.locator("#wrong")).to_be_visible()
    expect_only(visit, 401)


def open_each_part(page: Page) -> None:
    for part, filled in ADMIN.items():
        page.locator(f"#admin-{part}-button").click()
        expect(page.locator(filled).first).to_be_visible(timeout=SOON)


def look_at_a_picture(page: Page) -> None:
    page.locator("#library img").first.click()
    picture = page.locator("dialog img").first
    expect(picture).to_be_visible(timeout=SOON)
    page.keyboard.press("Escape")
    expect(picture).to_be_hidden()


# In front of everything: only the first `base` counts, and Gradio's page has one.
TEMPT: Final = """([tag, fields]) => {
    const made = Object.assign(document.createElement(tag), fields);
    document.documentElement.prepend(made);
    if (tag === "form") made.submit();
}"""
TEMPTATIONS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "img-src": ("img", {"src": "https://evil.example/x.png"}),
    "script-src-attr": ("p", {"innerHTML": "<img src='data:,' onerror='stop()'>"}),
    "base-uri": ("base", {"href": "https://evil.example/"}),
    "object-src": ("object", {"data": "/login"}),
    "style-src-elem": ("link", {"rel": "stylesheet", "href": "https://evil.example/x.css"}),
    "form-action": ("form", {"action": "https://evil.example/"}),
}


@pytest.mark.parametrize("page", ["/login", "/"])
def test_what_a_page_may_not_do_is_refused_and_heard(live: Live, browser: Browser, page: str) -> None:
    visit = Visit(browser, live.url)
    if page == "/":
        live.person("policy-tempted")
        visit.sign_in("policy-tempted", PASSWORD)
        visit.arrives()
    else:
        visit.page.goto(live.url + page)
    for directive, (tag, fields) in TEMPTATIONS.items():
        with visit.page.expect_console_message(partial(tells_of, directive), timeout=SOON):
            visit.page.evaluate(TEMPT, [tag, fields])
    with pytest.raises(AssertionError, match=r"policy: img-src forbids https://evil\.example"):
        visit.is_content()
    visit.context.close()


def tells_of(directive: str, told: ConsoleMessage) -> bool:
    return told.text.startswith(f"policy: {directive} ")


@contextmanager
def foreign_site(framed: str) -> Iterator[str]:
    """Another site, with a frame of its own and one around that address."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            frames = f'<iframe name="own" src="/own"></iframe><iframe name="theirs" src="{framed}"></iframe>'
            body = b"here I am" if self.path == "/own" else frames.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()


def refuses_a_frame(told: ConsoleMessage) -> bool:
    return "frame-ancestors 'none'" in told.text


@pytest.mark.parametrize("path", ["/login", "/", "/healthz"])
def test_no_page_of_ours_opens_in_a_frame_of_another_site(live: Live, browser: Browser, path: str) -> None:
    with foreign_site(live.url + path) as url:
        visit = Visit(browser, url)
        with visit.page.expect_console_message(refuses_a_frame):
            visit.page.goto(f"{url}/")
        expect(visit.page.frame_locator("[name=own]").locator("body")).to_have_text("here I am")
        assert not any(frame.url.startswith(live.url) for frame in visit.page.frames)
        expect(visit.page.frame_locator("[name=theirs]").locator("[name=username]")).to_have_count(0)
        visit.context.close()
