"""The whole way, as people go it: the real program, the real pipeline with the demo model, a real Chromium."""

import importlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import Visit
from tests.gradio_events import ran, server_events
from tests.houses import PASSWORD
from tests.serving import Served

# It ships no types.
gradio_client: Any = importlib.import_module("gradio_client")
AppError: type[Exception] = importlib.import_module("gradio_client.exceptions").AppError


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Started as the README says, without any password."""
    program = Served(tmp_path_factory.mktemp("studio"))
    try:
        program.until_ready()
        yield program
    finally:
        program.kill()


def query(served: Served, statement: str, *values: object) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(served.folder / "data/atelier.db")
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def change_password(visit: Visit, old: str) -> None:
    visit.page.fill("[name=old]", old)
    visit.page.fill("[name=new]", PASSWORD)
    visit.page.click("[type=submit]")
    visit.arrives()


def make_person(boss: Visit, username: str, role: str) -> str:
    """Fill in the form of the Admin tab; the password that it shows once."""
    page = boss.page
    page.fill("#person-username input, #person-username textarea", username)
    page.locator("#person-role").get_by_role("radio", name=role).check(force=True)
    page.click("#person-create")
    expect(page.locator("#person-secret")).to_contain_text(username, timeout=15_000)
    return page.locator("#person-secret code, #person-secret output").first.inner_text().strip()


@pytest.mark.timeout(300)
def test_from_the_first_password_to_a_picture_that_nobody_else_can_open(served: Served, browser: Browser) -> None:
    boss = Visit(browser, served.url)
    first = (served.folder / "data/initial-admin-password").read_text().strip()
    boss.sign_in("admin", first)
    expect(boss.page).to_have_url(re.compile("/account/password$"))
    change_password(boss, first)
    assert not (served.folder / "data/initial-admin-password").exists()
    boss.page.get_by_role("tab", name="Admin").click()
    passwords = {
        name: make_person(boss, name, role)
        for name, role in (("mei", "Member"), ("bob", "Member"), ("visitor", "Guest"))
    }
    boss.is_content()

    mei = Visit(browser, served.url)
    mei.sign_in("mei", passwords["mei"])
    change_password(mei, passwords["mei"])
    expect(mei.page.locator("#tab-admin")).to_have_count(0)
    example = mei.page.locator("#examples button", has_text="A red circle on a white background")
    example.click()  # the demo model is offered what it can paint
    expect(mei.page.get_by_label("Prompt", exact=True)).to_have_value("A red circle on a white background")
    mei.page.get_by_label("Prompt", exact=True).fill("一个红色的圆")
    mei.page.get_by_role("radio", name="512²").check(force=True)
    mei.page.get_by_label("Pictures", exact=True).fill("2")
    mei.page.get_by_role("button", name="Generate", exact=True).click()
    expect(mei.page.locator("#queue [role=progressbar], #results [role=progressbar]").first).to_be_visible()
    expect(mei.page.locator("#results img")).to_have_count(2, timeout=60_000)
    expect(mei.page.locator("#gallery img")).to_have_count(2, timeout=15_000)
    expect(mei.page.locator("#quota")).to_contain_text("48 of 50")
    mei.is_content()

    files = sorted((served.folder / "outputs/mei").rglob("*.png"))
    assert len(files) == 2
    assert query(served, "SELECT used_today, reserved_today FROM quota_today WHERE username = 'mei'") == [(2, 0)]
    logged = query(served, "SELECT prompt, output_path FROM generation_logs WHERE username = 'mei'")
    assert [row[0] for row in logged] == ["一个红色的圆"] * 2
    assert {str(row[1]) for row in logged} == {str(file.relative_to(served.folder / "outputs")) for file in files}

    bob = Visit(browser, served.url)
    bob.sign_in("bob", passwords["bob"])
    change_password(bob, passwords["bob"])
    pictures = query(served, "SELECT i.id FROM images i JOIN users u ON u.id = i.user_id WHERE u.username = 'mei'")
    for (image_id,) in pictures:
        for path in (f"/outputs/{image_id}", f"/outputs/{image_id}/thumb"):
            answer = bob.context.request.get(served.url + path)
            assert answer.status == 404
            assert mei.context.request.get(served.url + path).status == 200


@pytest.mark.timeout(180)
def test_a_guest_is_refused_on_every_way_in_and_it_is_written_down(served: Served, browser: Browser) -> None:
    """Pitfall peers §d2.2: what the page hides is open on some other way in."""
    served.manage("user", "add", "guest", "--role", "guest", "--password-stdin", given=PASSWORD)
    token = served.manage("token", "create", "guest", "--name", "test").splitlines()[-1]
    guest = Visit(browser, served.url)
    guest.sign_in("guest", PASSWORD)
    guest.arrives()
    expect(guest.page.locator("#generate")).to_be_disabled()
    expect(guest.page.get_by_text("Guest").first).to_be_visible()

    script = httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert script.post("/api/v1/jobs", json={"prompt": "x"}).status_code == 403
    guest.is_content()
    before = refusals(served)
    worked = [function["api_name"] for function in server_events(script) if ran(script, function)]
    assert sorted(worked) == ["arrive"]
    assert refusals(served) - before >= 10
    with pytest.raises(AppError):
        gradio_client.Client(served.url, headers={"Authorization": f"Bearer {token}"}, verbose=False).predict(
            "x", 256, 256, 2, 1, 1, api_name="/generate"
        )
    assert query(served, "SELECT count(*) FROM jobs j JOIN users u ON u.id = j.user_id WHERE u.role = 'guest'") == [
        (0,)
    ]
    script.close()


def refusals(served: Served) -> int:
    rows = query(served, "SELECT count(*) FROM audit_events WHERE actor = 'guest' AND outcome = 'refused'")
    return int(str(rows[0][0]))


@pytest.mark.timeout(120)
def test_the_page_names_a_wrong_field_and_nothing_is_charged(served: Served, browser: Browser) -> None:
    served.manage("user", "add", "wrong", "--role", "member", "--password-stdin", given=PASSWORD)
    visit = Visit(browser, served.url)
    visit.sign_in("wrong", PASSWORD)
    visit.arrives()
    page = visit.page
    for field, value, told in (
        ("Width", "1000", "multiple of 16"),
        ("Height", "9000", "between 256 and 2048"),
        ("Steps", "0", "between 1 and 50"),
        ("Seed", "4294967296", "between 0 and"),
        ("Prompt", "  ", "fill this in"),
    ):
        box = page.get_by_label(field, exact=True)
        before = box.input_value()
        if field != "Prompt":
            page.get_by_label("Prompt", exact=True).fill("a red circle")
        box.fill(value)
        page.get_by_role("button", name="Generate", exact=True).click()
        toast = page.locator(".toast-body").filter(has_text=told).first
        expect(toast).to_contain_text(field, timeout=15_000)
        box.fill(before)
    rows = query(served, "SELECT used_today, reserved_today FROM quota_today WHERE username = 'wrong'")
    assert rows == [(0, 0)]


@pytest.mark.timeout(180)
def test_gradio_client_gets_absolute_addresses_of_its_pictures(served: Served) -> None:
    with served.script_of("scripter") as script:
        token = script.headers["Authorization"]
        client = gradio_client.Client(served.url, headers={"Authorization": token}, verbose=False)
        urls = client.predict("a red circle", 256, 256, 2, 42, 2, api_name="/generate")
        assert len(urls) == 2
        for url in urls:
            assert url.startswith(f"{served.url}/outputs/")
            assert script.get(url).headers["content-type"] == "image/png"
        with pytest.raises(AppError, match=r"(?i)multiple"):
            client.predict("a red circle", 1000, 256, 2, 42, 2, api_name="/generate")
        assert script.get("/api/v1/me").json()["quota"]["used"] == 2


# What people's tools hold on to; `negative-prompt` is there where it has an effect.
IDS = (
    *("prompt", "width", "height", "steps", "seed", "count", "generate", "queue", "results", "gallery", "quota"),
    *("whoami", "sign-out", "language", "tab-generate", "tab-gallery", "tab-account", "tab-admin"),
)
LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {},
    "phone": {"viewport": {"width": 390, "height": 844}},
    "dark": {"color_scheme": "dark"},
    "chinese": {"locale": "zh-CN"},
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("look", LOOKS)
def test_every_page_and_tab_opens_without_a_violation_in_every_look(
    served: Served, browser: Browser, look: str, tmp_path: Path
) -> None:
    """Pitfall gradio §12.1: one `js=` or gr.HTML under a policy that is too strict, and no page mounts."""
    name = f"look-{look}"
    served.manage("user", "add", name, "--role", "admin", "--password-stdin", given=PASSWORD)
    visit = Visit(browser, served.url, **LOOKS[look])
    page = visit.page
    login = page.goto(f"{served.url}/login")
    assert login is not None
    expect(page.locator("[type=submit], button:not([type])")).to_have_count(1)
    assert "unsafe-eval" not in login.headers["content-security-policy"]
    visit.sign_in(name, PASSWORD)
    visit.arrives()
    for part in IDS:
        expect(page.locator(f"#{part}")).to_have_count(1)
    for tab in ("gallery", "account", "admin", "generate"):
        page.locator(f"#tab-{tab}-button").click()
        expect(page.locator(f"#tab-{tab}")).to_be_visible()
        page.screenshot(path=tmp_path / f"{tab}.png")
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width == 0, f"{tab} can be scrolled sideways"
    expect(page.locator("#generate")).to_have_text("生成" if look == "chinese" else "Generate")
    assert "__i18n__" not in page.inner_text("body")
    visit.is_content()
    page.goto(f"{served.url}/account/password")
    expect(page.locator("[name=old]")).to_be_visible()
    # Leaving the studio cuts Gradio's stream, and it says so in the console.
    visit.complaints = [told for told in visit.complaints if "Abort" not in told and "Connection errored" not in told]
    visit.is_content()
