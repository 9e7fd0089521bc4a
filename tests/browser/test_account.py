"""The Account tab as people use it: a token made, used and revoked, sessions ended, and where other windows land."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.chromium import Visit
from tests.engine.waiting import wait_for
from tests.houses import PASSWORD
from tests.live import Live

SOON = 15_000
LOGIN = re.compile(r"/login")


def account_of(live: Live, browser: Browser, name: str) -> Visit:
    """A new window of that person, with the Account tab open."""
    visit = Visit(browser, live.url)
    visit.sign_in(name, PASSWORD)
    visit.arrives()
    visit.page.locator("#tab-account-button").click()
    expect(visit.page.locator("#sessions .badge-here")).to_be_visible(timeout=SOON)
    return visit


def press_twice(place: Page | Locator, name: str) -> None:
    """The first press asks, the second one acts. A list drawn anew between press and release swallows the click."""
    sure = place.get_by_role("button", name="Really?", exact=True)

    def ask() -> bool:
        place.get_by_role("button", name=name, exact=True).click()
        return sure.is_visible()

    wait_for(ask)
    sure.click()


@pytest.mark.timeout(120)
def test_a_token_is_made_shown_once_used_and_revoked(live: Live, browser: Browser) -> None:
    live.person("mei")
    visit = account_of(live, browser, "mei")
    page = visit.page
    page.get_by_role("textbox", name="Name", exact=True).fill("render script")
    page.get_by_role("checkbox", name="Generate").check()
    expect(page.get_by_role("checkbox", name="Administer")).to_have_count(0)
    page.get_by_role("button", name="Make token").click()
    expect(page.locator("#new-token")).to_have_text(re.compile(r"^atl_[0-9a-f]{12}_"), timeout=SOON)
    token = page.locator("#new-token").inner_text()
    expect(page.locator("#token-secret pre")).to_contain_text(f'$ATELIER_TOKEN" {live.url}/api/v1/me')
    expect(page.locator("#token-secret .secret")).to_be_focused()
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("")
    with live.client(token) as script:
        assert script.get("/api/v1/me").json()["username"] == "mei"

        page.locator("#tab-gallery-button").click()
        expect(page.locator("#token-secret .secret")).to_have_count(0)
        page.locator("#tab-account-button").click()
        expect(page.locator("#tokens")).to_contain_text("render script")
        assert token not in page.content()

        press_twice(page, "Revoke render script")
        expect(page.locator("#tokens summary")).to_have_text("Revoked or long expired: 1", timeout=SOON)
        assert script.get("/api/v1/me").status_code == 401
    visit.is_content()


@pytest.mark.timeout(120)
def test_what_is_wrong_with_a_new_token_is_told(live: Live, browser: Browser) -> None:
    live.person("rui")
    visit = account_of(live, browser, "rui")
    visit.page.get_by_role("button", name="Make token").click()
    expect(visit.page.locator(".toast-body")).to_contain_text("Please fill this in", timeout=SOON)
    expect(visit.page.locator("#tokens")).to_contain_text("You have no tokens.")


@pytest.mark.timeout(120)
def test_another_window_that_is_signed_out_lands_on_the_login(live: Live, browser: Browser) -> None:
    live.person("ida")
    there = account_of(live, browser, "ida")
    here = account_of(live, browser, "ida")
    expect(here.page.locator("#sessions .entry")).to_have_count(2)
    press_twice(here.page.locator("#sessions .entry").nth(1), "Sign out Chrome on Linux, 127.0.0.1")
    expect(here.page.locator("#sessions .entry")).to_have_count(1, timeout=SOON)
    expect(here.page.locator(".toast-body")).to_contain_text("1 session was ended")
    expect(there.page).to_have_url(LOGIN, timeout=SOON)
    here.is_content()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("role", ["member", "guest"])
def test_signing_out_everywhere_leads_every_window_to_the_login(live: Live, browser: Browser, role: str) -> None:
    live.person(f"all-{role}", role)
    there = account_of(live, browser, f"all-{role}")
    here = account_of(live, browser, f"all-{role}")
    press_twice(here.page, "Sign out everywhere")
    for visit in (here, there):
        # A guest's page has no jobs to follow; it asks for the service's state every 20 seconds.
        expect(visit.page).to_have_url(LOGIN, timeout=30_000)


@pytest.mark.timeout(120)
def test_the_language_can_be_chosen_in_the_tab(live: Live, browser: Browser) -> None:
    live.person("lin")
    visit = account_of(live, browser, "lin")
    visit.page.get_by_role("combobox", name="Language").last.select_option("zh-CN")
    expect(visit.page.locator("#generate")).to_have_text("生成", timeout=30_000)
    visit.is_content()
