"""Nothing that was typed is lost, and a click without a connection is sent once there is one, and only once."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect

from app.web.forms import DEFAULTS, FIELDS
from tests.browser.chromium import Visit
from tests.browser.evidence import STORAGE
from tests.engine.waiting import wait_for
from tests.houses import PASSWORD
from tests.live import Live

SOON: Final = 15_000
RARE: Final = "palimpsestquokka"
WORDS: Final = f"{RARE} 翡翠"
DRAFT: Final = "**/account/draft"
TYPED: Final = {
    "prompt": f"{WORDS}\nsecond line",
    "width": "640",
    "height": "384",
    "steps": "5",
    "count": "3",
    "seed": "42",
    "guidance": "2.5",
    "negative-prompt": f"no {WORDS}",
}


class Typist:
    """A window of one person, what it asked for, and what the server keeps of it."""

    def __init__(self, live: Live, browser: Browser, name: str, role: str = "member") -> None:
        self._studio, self._name = live.house.studio, name
        self.visit = Visit(browser, live.url)
        self.page = self.visit.page
        self.asked: list[Request] = []
        self.page.on("request", self._note)
        if self._studio.store.read(lambda tx: tx.users.by_name(name)) is None:
            live.person(name, role)
        form: dict[str, str | float | bool] = {"username": name, "password": PASSWORD}
        self.visit.context.request.post(f"{live.url}/login", form=form, headers={"Origin": live.url})
        self.page.goto(live.url)
        self.visit.arrives()

    def _note(self, request: Request) -> None:
        self.asked.append(request)

    def field(self, name: str) -> Locator:
        return self.page.locator(f"#{name} :is(textarea, input)")

    def put(self, name: str, value: str) -> None:
        """Until it is there: a field that has only just been drawn is blank again a moment later."""

        def stays() -> bool:
            self.field(name).fill(value)
            return self.field(name).input_value() == value

        wait_for(stays)

    def generate(self) -> None:
        self.page.get_by_role("button", name="Generate", exact=True).click()

    def look_again(self) -> None:
        """As if this window had been behind another one."""
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    def kept(self) -> dict[str, Any] | None:
        account = self._studio.store.read(lambda tx: tx.users.by_name(self._name))
        assert account is not None
        content = self._studio.store.read(lambda tx: tx.drafts.get(account.user.id))
        return None if content is None else json.loads(content)

    def keeps(self, prompt: str) -> None:
        """Until the server has that."""
        wait_for(lambda: (self.kept() or {}).get("prompt") == prompt)

    def prompts(self) -> list[str]:
        """Of all jobs."""
        answer = self.page.request.get(f"{self.visit.url}/api/v1/jobs").json()
        return [job["prompt"] for job in answer["items"]]

    def clicks(self) -> int:
        """How many were on their way to Gradio's queue; what the page asks by itself has other values."""
        bodies = [request.post_data_json or {"data": ()} for request in self.asked if "/queue/join" in request.url]
        return sum(len(body["data"]) == len(FIELDS) for body in bodies)

    def has_all(self) -> None:
        expect(self.field("prompt")).to_have_value(TYPED["prompt"], timeout=SOON)
        self.page.locator("#advanced > button").click()
        # Gradio itself knows: the negative prompt is there because guidance is above zero.
        for name, value in TYPED.items():
            expect(self.field(name)).to_have_value(value)


@pytest.mark.timeout(120)
def test_everything_typed_is_there_again_after_a_reload_and_on_another_device(live: Live, browser: Browser) -> None:
    here = Typist(live, browser, "off-reload")
    here.page.locator("#advanced > button").click()
    for name, value in TYPED.items():
        here.put(name, value)
    # No pause: what was typed a moment ago goes with the page.
    here.page.reload()
    here.has_all()
    assert RARE not in here.page.evaluate(STORAGE)
    assert not [request.url for request in here.asked if RARE in request.url]

    there = Typist(live, browser, "off-reload")
    there.has_all()
    there.put("prompt", "newer words")
    there.keeps("newer words")
    # This window was not touched since: it takes over what was typed on the other one.
    here.look_again()
    expect(here.field("prompt")).to_have_value("newer words")
    # What is typed while the answer is on its way stays, and is kept; so does what was typed before.
    late: list[Route] = []
    with routed(here.page, lambda route: route.continue_() if late else late.append(route)):
        with here.page.expect_request(DRAFT):
            here.look_again()
        here.put("prompt", "typed meanwhile")
        late[0].fulfill(json={"draft": {"prompt": "too late"}})
    here.keeps("typed meanwhile")
    there.put("prompt", "typed there")
    there.look_again()
    there.keeps("typed there")
    expect(here.field("prompt")).to_have_value("typed meanwhile")
    expect(there.field("prompt")).to_have_value("typed there")
    here.visit.is_content()
    there.visit.is_content()


@pytest.fixture(scope="module")
def mei(live: Live, browser: Browser) -> Typist:
    """One window for several tests: opening one takes longer than all that they do."""
    return Typist(live, browser, "off-mei")


@pytest.mark.timeout(120)
def test_a_click_without_a_connection_is_sent_once_when_there_is_one_again(mei: Typist) -> None:
    page, clicks = mei.page, mei.clicks()
    page.evaluate("window.stayed = true")
    mei.put("prompt", "before")
    mei.keeps("before")
    mei.visit.context.set_offline(offline=True)
    mei.put("prompt", WORDS)
    for _ in range(3):
        mei.generate()
    expect(page.locator(".toast")).to_contain_text("Your click is kept")
    expect(page.locator("body.is-sending")).to_have_count(1)
    mei.put("prompt", f"{WORDS} and more")
    # The next try fails, too: nothing is said twice.
    with page.expect_event("requestfailed", lambda request: "account/draft" in request.url):
        pass
    expect(page.locator(".toast")).to_have_count(1)
    assert (mei.clicks(), (mei.kept() or {})["prompt"]) == (clicks, "before")

    mei.visit.context.set_offline(offline=False)
    expect(page.locator("body.is-sending, .toast")).to_have_count(0, timeout=SOON)
    assert mei.prompts().count(WORDS) == 1
    expect(mei.field("prompt")).to_have_value(f"{WORDS} and more")
    mei.keeps(f"{WORDS} and more")
    assert RARE not in page.evaluate(STORAGE)

    mei.generate()
    wait_for(lambda: f"{WORDS} and more" in mei.prompts())
    assert (mei.clicks(), mei.prompts().count(WORDS)) == (clicks + 2, 1)
    assert page.evaluate("window.stayed") is True


@pytest.mark.timeout(120)
def test_a_click_waits_for_a_server_that_is_away_and_for_nothing_else(mei: Typist) -> None:
    page, tries = mei.page, []
    mei.put("prompt", "a restart")
    mei.keeps("a restart")

    def restarting(route: Route) -> None:
        """First nobody listens, then the proxy answers in its place, then the server is there."""
        tries.append(route.request.method)
        if len(tries) == 1:
            route.abort("connectionrefused")
        elif len(tries) == 2:
            route.fulfill(status=502, body="<html>Bad Gateway</html>")
        else:
            route.continue_()

    with routed(page, restarting):
        mei.generate()
        expect(page.locator(".toast")).to_contain_text("Your click is kept")
        wait_for(lambda: mei.prompts().count("a restart") == 1)
        expect(page.locator("body.is-sending, .toast")).to_have_count(0, timeout=SOON)
    assert tries == ["PUT"] * 3

    mei.put("prompt", "")
    wait_for(lambda: mei.kept() is None)
    # A draft that is refused stops no click: the flow says what is wrong with it.
    with routed(page, lambda route: route.fulfill(status=422, json={"code": "invalid-request"})):
        mei.generate()
        expect(page.locator(".toast-body").first).to_contain_text("Please fill this in", timeout=SOON)


@pytest.mark.timeout(120)
def test_a_click_of_somebody_who_is_signed_out_leads_to_the_login(mei: Typist) -> None:
    clicks, gone = mei.clicks(), {"code": "not-authenticated"}
    with routed(mei.page, lambda route: route.fulfill(status=401, json=gone)), mei.page.expect_request("**/login"):
        mei.generate()
    assert mei.clicks() == clicks
    mei.visit.arrives()


def test_the_script_knows_the_blank_form_as_the_server_does(mei: Typist) -> None:
    blank = mei.page.evaluate("import(new URL('assets-atelier/js/form.js', location)).then(({ BLANK }) => BLANK)")
    assert list(blank.items()) == [(name, DEFAULTS.get(name, "")) for name in FIELDS]


@contextmanager
def routed(page: Page, answer: Callable[[Route], None]) -> Iterator[None]:
    """Something else answers in the place of the server when the draft is to be saved."""
    page.route(DRAFT, answer)
    yield
    page.unroute(DRAFT)


@pytest.mark.timeout(120)
def test_a_guests_page_asks_for_no_draft(live: Live, browser: Browser) -> None:
    here = Typist(live, browser, "off-guest", "guest")
    expect(here.page.locator("body.is-guest")).to_have_count(1)
    here.put("prompt", "words of a guest")
    here.look_again()
    # It would have been asked by then.
    with here.page.expect_response("**/account/status"):
        here.page.evaluate("fetch('account/status')")
    assert not [request.url for request in here.asked if request.url.endswith("/draft")]
