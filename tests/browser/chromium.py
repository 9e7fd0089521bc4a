"""A real Chromium, as people have it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from playwright.sync_api import Browser, ConsoleMessage, Page, Response, expect, sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
# Without the last three it looks for hosts of its maker, which no test may reach.
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Not every violation is written to the console.
TELL_VIOLATIONS: Final = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`policy: ${event.effectiveDirective} forbids ${event.blockedURI} in ${event.sourceFile}`))"""


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    assert path is not None, "scripts/test installs Chromium, or says what to install"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One person's browser window; `complaints` gathers what the console and the network had to say."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:  # noqa: ANN401 - Playwright's options
        self.url = url
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "en-US", **options})
        self.context.add_init_script(TELL_VIOLATIONS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._request(request.url))
        self.page.on("response", self._response)

    def sign_in(self, username: str, password: str) -> None:
        self.page.goto(f"{self.url}/")
        self.page.fill("[name=username]", username)
        self.page.fill("[name=password]", password)
        self.page.click("[type=submit]")

    def arrives(self) -> None:
        """The studio is there and knows who has come."""
        expect(self.page.locator("#prompt textarea")).to_be_visible(timeout=30_000)
        expect(self.page.locator("#whoami")).not_to_be_empty(timeout=30_000)

    def is_content(self) -> None:
        """Nothing was blocked or broken, and nobody else was asked."""
        told = self.complaints + self.foreign
        assert not told, told

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _request(self, url: str) -> None:
        if not url.startswith((f"{self.url}/", "data:", "blob:")):
            self.foreign.append(url)

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.url}")
