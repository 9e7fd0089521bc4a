"""The studio in a real Chromium through nginx: behind TLS, at the root and under a prefix."""

import re
from collections.abc import Mapping

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Visit, chromium
from tests.houses import PASSWORD
from tests.proxy.nginx import Site

pytestmark = pytest.mark.xdist_group("nginx")
SOON = 15_000


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", ["replacing", "stripped", "kept"])
def test_the_studio_works_from_the_login_to_a_picture_and_out_again(sites: Mapping[str, Site], way: str) -> None:
    site = sites[way]
    site.live.person(f"browser-{way}")
    with chromium() as browser:
        visit = Visit(browser, site.url, ignore_https_errors=True)
        visit.sign_in(f"browser-{way}", PASSWORD)
        visit.arrives()
        expect(visit.page).to_have_url(f"{site.url}/")
        cookies = {cookie.get("name"): cookie for cookie in visit.context.cookies()}
        session = cookies["__Host-atelier_session"]
        assert (session.get("secure"), session.get("httpOnly"), session.get("sameSite")) == (True, True, "Lax")
        visit.page.get_by_label("Prompt", exact=True).fill("a red circle")
        visit.page.get_by_role("radio", name="512²").check(force=True)
        visit.page.get_by_role("button", name="Generate", exact=True).click()
        expect(visit.page.locator("#results img")).to_have_count(1, timeout=SOON)
        visit.is_content()
        # Leaving cuts Gradio's stream, and it says so in the console.
        visit.page.locator("#sign-out").click()
        expect(visit.page).to_have_url(re.compile(rf"^{site.url}/login"), timeout=SOON)
        assert not visit.foreign
