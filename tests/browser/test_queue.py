"""The queue as people see it: their places and times on every device, cancelling, and a drain for maintenance."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Locator, expect

from app.flows import queue_control
from app.flows.studio import NOWHERE
from tests.browser.chromium import Visit
from tests.houses import PASSWORD
from tests.live import JOB, Live, ended

SOON: Final = 15_000
PAUSED: Final = "the queue is paused"
TIME: Final = r"(about \d+ s|any moment)"


def window_of(live: Live, browser: Browser, name: str) -> Visit:
    visit = Visit(browser, live.url)
    visit.sign_in(name, PASSWORD)
    visit.arrives()
    return visit


def status(visit: Visit, job: dict[str, Any]) -> Locator:
    return visit.page.locator(f"#queue [data-job='{job['id']}'] .job-status")


def cancel(visit: Visit, job: dict[str, Any]) -> None:
    visit.page.locator(f"#queue [data-job='{job['id']}']").get_by_role("button", name="Cancel", exact=True).click()


@contextmanager
def step_by_step(live: Live) -> Iterator[None]:
    """No step ends by itself; afterwards the queue is as it was."""
    live.engine.hold()
    try:
        yield
    finally:
        live.engine.let(None)
        queue_control.resume(live.house.studio, live.admin(), NOWHERE)


@pytest.mark.timeout(60)
def test_places_and_times_are_told_on_every_device_and_shrink(live: Live, browser: Browser) -> None:
    studio = live.house.studio
    with live.script_of("line-mei") as script, step_by_step(live):
        live.engine.let(4)
        ended(script, script.post("/api/v1/jobs", json=JOB).json()["id"])  # now times can be known
        queue_control.pause(studio, live.admin(), NOWHERE)
        jobs = [script.post("/api/v1/jobs", json=JOB).json() for _ in range(4)]
        here, there = window_of(live, browser, "line-mei"), window_of(live, browser, "line-mei")
        for visit in (here, there):
            for job, place in zip(jobs, ("Next", "2nd in line", "3rd in line", "4th in line"), strict=True):
                expect(status(visit, job)).to_have_text(f"{place} · {PAUSED}", timeout=SOON)
            expect(visit.page.locator("#queue-head")).to_contain_text("4 jobs are waiting")

        queue_control.resume(studio, live.admin(), NOWHERE)
        live.engine.let(1)
        for visit in (here, there):
            expect(status(visit, jobs[3])).to_have_text(re.compile(f"^3rd in line · {TIME}$"), timeout=SOON)
            expect(status(visit, jobs[0])).to_have_text(re.compile(f"^Step 1 of 4 · {TIME}$"), timeout=SOON)
        cancel(here, jobs[2])
        for visit in (here, there):
            expect(status(visit, jobs[3])).to_have_text(re.compile(f"^2nd in line · {TIME}$"), timeout=SOON)
            expect(status(visit, jobs[2])).to_have_count(0)
            expect(visit.page.locator("#queue-head")).to_be_hidden()
        live.engine.let(3)
        expect(status(there, jobs[3])).to_have_text(re.compile(f"^Next · {TIME}$"), timeout=SOON)
        here.is_content()
        there.is_content()
        for job in jobs:
            script.delete(f"/api/v1/jobs/{job['id']}")


@pytest.mark.timeout(60)
def test_a_drain_is_announced_refuses_the_next_click_and_ends(live: Live, browser: Browser) -> None:
    live.person("line-boss", "admin")
    with live.script_of("line-rui") as script, step_by_step(live):
        jobs = [script.post("/api/v1/jobs", json=JOB).json() for _ in range(5)]
        rui, boss = window_of(live, browser, "line-rui"), window_of(live, browser, "line-boss")
        expect(rui.page.locator("#cost")).to_have_text("Uses 1 of 45 pictures left today.", timeout=SOON)
        boss.page.get_by_role("tab", name="Admin").click()
        boss.page.locator("#admin-tabs").get_by_role("tab", name="Queue").click()
        queue = boss.page.locator("#everyones-queue")
        expect(queue.locator("tbody tr")).to_have_count(5, timeout=SOON)
        queue.get_by_role("button", name="Drain").click()
        queue.get_by_role("button", name="Really?").click()
        expect(queue).to_contain_text("nothing new is accepted. 1 job is still running.", timeout=SOON)
        for visit in (rui, boss):
            expect(visit.page.locator("#notices")).to_contain_text("about to be stopped for maintenance", timeout=SOON)

        expect(status(rui, jobs[1])).to_have_text("Next · goes on after the maintenance", timeout=SOON)
        expect(rui.page.locator("#cost")).to_contain_text("nothing new is accepted")
        rui.page.get_by_label("Prompt", exact=True).fill("a red circle")
        rui.page.get_by_role("button", name="Generate", exact=True).click()
        expect(rui.page.locator(".toast-body")).to_contain_text("nothing new is accepted", timeout=SOON)
        # What waits and what runs can be cancelled all the same, one by one or together.
        cancel(rui, jobs[0])
        expect(status(rui, jobs[0])).to_have_count(0, timeout=SOON)
        head = rui.page.locator("#queue-head")
        expect(head).to_contain_text("4 jobs are waiting")
        head.get_by_role("button", name="Cancel all waiting").click()
        head.get_by_role("button", name="Really?").click()
        expect(rui.page.locator("#queue .job")).to_have_count(0, timeout=SOON)
        expect(rui.page.locator(".toasts")).to_contain_text("4 waiting jobs were cancelled")
        # Nobody presses a button: the view is kept up to date by itself.
        expect(queue).to_contain_text("Nothing waits and nothing runs.", timeout=SOON)

        queue.get_by_role("button", name="Resume").click()
        expect(queue).to_contain_text("The queue is open.", timeout=SOON)
        expect(boss.page.locator("#notices")).not_to_contain_text("maintenance", timeout=SOON)
        rui.is_content()
        boss.is_content()


@pytest.mark.timeout(60)
def test_a_preview_stands_in_the_slot_until_the_picture_does(live: Live, browser: Browser) -> None:
    live.engine.previews = True
    try:
        with live.script_of("sketch-mei") as script, step_by_step(live):
            job = script.post("/api/v1/jobs", json=JOB).json()
            visit = window_of(live, browser, "sketch-mei")
            slots = visit.page.locator(f"[data-job='{job['id']}'] .slot")
            expect(slots).to_have_count(1, timeout=SOON)
            live.engine.let(2)
            expect(slots.get_by_role("img", name="Preview of a picture in the making")).to_be_visible(timeout=SOON)
            live.engine.let(None)
            expect(slots.get_by_role("button", name="Show large")).to_be_visible(timeout=SOON)
            expect(visit.page.locator(".preview")).to_have_count(0)
    finally:
        live.engine.previews = False
