"""Pitfalls that only a real Chromium shows."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Request, expect

from tests.browser.chromium import Visit, chromium
from tests.houses import PASSWORD
from tests.live import JOB, Live, ended

# As a machine in the office is called: a name, plain HTTP, and not the loopback in the browser's eyes.
OFFICE = "studio.test"
MARKUP = '<img src=x onerror="window.pwned=1"><b id=pwned>'
SOON = 15_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(f"--host-resolver-rules=MAP {OFFICE} 127.0.0.1") as found:
        yield found


def arrived(browser: Browser, url: str, name: str, **options: object) -> Visit:
    visit = Visit(browser, url, **options)
    visit.sign_in(name, PASSWORD)
    visit.arrives()
    return visit


@pytest.mark.timeout(120)
def test_words_and_news_outlive_a_lost_connection(live: Live, browser: Browser) -> None:
    """Pitfall gradio §12.4: after a lost connection Gradio loads the page again; ours asks for news by itself."""
    with live.script_of("br-offline") as script:
        visit = arrived(browser, live.url, "br-offline")
        page = visit.page
        page.get_by_label("Prompt", exact=True).fill("words that nobody has sent yet")
        page.evaluate("window.stayed = true")
        # A poll that is open may still bring the first news; the next one finds nobody.
        with page.expect_event("requestfailed", lambda request: "api/v1/events" in request.url, timeout=SOON):
            visit.context.set_offline(offline=True)
            ended(script, script.post("/api/v1/jobs", json=JOB).json()["id"])
        ended(script, script.post("/api/v1/jobs", json=JOB).json()["id"])
        visit.context.set_offline(offline=False)
        expect(page.locator("#gallery img")).to_have_count(2, timeout=30_000)
        assert page.evaluate("window.stayed") is True
        expect(page.get_by_label("Prompt", exact=True)).to_have_value("words that nobody has sent yet")


@pytest.mark.timeout(120)
def test_a_plain_address_in_the_office_signs_in_and_generates(live: Live, browser: Browser) -> None:
    """Pitfall gradio §12.5: there Chromium sends no Sec-Fetch-Site, and with no-referrer a useless Origin."""
    live.person("br-office")
    sent: list[dict[str, str]] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            sent.append(request.all_headers())

    visit = Visit(browser, f"http://{OFFICE}:{urlsplit(live.url).port}")
    visit.page.on("requestfinished", note)
    visit.sign_in("br-office", PASSWORD)
    visit.arrives()
    visit.page.get_by_label("Prompt", exact=True).fill("a red circle")
    visit.page.get_by_role("button", name="Generate", exact=True).click()
    expect(visit.page.locator("#results img")).to_have_count(1, timeout=30_000)
    assert {headers.get("origin") for headers in sent} == {visit.url}
    assert not [headers for headers in sent if "sec-fetch-site" in headers], "this address shows the pitfall no more"
    # Chromium tells that one of our headers means nothing on plain HTTP.
    visit.complaints = [told for told in visit.complaints if "Cross-Origin-Opener-Policy" not in told]
    visit.is_content()


@pytest.mark.timeout(180)
def test_what_people_write_is_text_wherever_it_is_shown(live: Live, browser: Browser) -> None:
    """Pitfall peers §d2.13: markup in names, prompts and what a browser says of itself runs in somebody's page."""
    live.person("br-boss", "admin")
    live.person("br-markup", display_name=MARKUP, department=MARKUP)
    with live.client(live.token("br-markup")) as script:
        script.get("/api/v1/me", headers={"User-Agent": MARKUP})
        ended(
            script, script.post("/api/v1/jobs", json={**JOB, "prompt": MARKUP, "negative_prompt": MARKUP}).json()["id"]
        )
        script.post("/api/v1/jobs", json={**JOB, MARKUP: MARKUP})
    author = arrived(browser, live.url, "br-markup", user_agent=f"Mozilla/5.0 {MARKUP}")
    boss = arrived(browser, live.url, "br-boss")
    author.page.get_by_label("Prompt", exact=True).fill(MARKUP)
    author.page.get_by_label("Seed", exact=True).fill(MARKUP)
    author.page.get_by_role("button", name="Generate", exact=True).click()
    expect(author.page.locator(".toast-body").first).to_contain_text("Seed", timeout=SOON)
    expect(author.page.locator("#gallery img")).to_have_count(1, timeout=SOON)
    author.page.locator("#gallery img").first.click()
    expect(author.page.get_by_text(MARKUP).first).to_be_visible(timeout=SOON)
    is_untouched(author)
    author.page.keyboard.press("Escape")
    for visit, tabs in (
        (author, {"tab-gallery": "#library img", "tab-account": "#sessions .badge-here"}),
        (boss, {"tab-admin": "#people", "admin-activity": "#audit", "admin-queue": "#everyones-queue"}),
    ):
        for tab, place in tabs.items():
            visit.page.locator(f"#{tab}-button").click()
            expect(visit.page.locator(place).first).to_be_visible(timeout=SOON)
            is_untouched(visit)
    boss.page.locator("#admin-people-button").click()
    expect(boss.page.locator("#people")).to_contain_text("onerror", timeout=SOON)
    boss.page.get_by_role("button", name="br-markup").first.click()
    expect(boss.page.locator("#person-heading")).to_contain_text("onerror", timeout=SOON)
    is_untouched(boss)


def is_untouched(visit: Visit) -> None:
    assert visit.page.evaluate("[window.pwned ?? 0, document.querySelectorAll('img[src=x], #pwned').length]") == [0, 0]
    visit.is_content()
