"""What administrators see and set over the page's events: limits, budgets, somebody's day, and the queue."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from app.web.waiting_time import about
from tests.engine.waiting import wait_for
from tests.gradio_events import RefusalError, press
from tests.live import JOB, Live, ended

# What the table of departments has in a row, beside the name.
NUMBERS = re.compile(r'<td class="right number">(?:<span class="muted">)?(\w+)')
DAY = slice(-5, None)
FORM = ("50", 50, 4, 2048, 50, 4, 120, 1)


@pytest.fixture
def boss(live: Live) -> Iterator[httpx.Client]:
    name = "limits-boss"
    if live.house.studio.store.read(lambda tx: tx.users.by_name(name)) is None:
        live.person(name, "admin")
    with live.browser_of(name) as client:
        yield client


@contextmanager
def busy(live: Live) -> Iterator[None]:
    """Nothing ends by itself."""
    live.engine.step_delay = 60
    try:
        yield
    finally:
        live.engine.step_delay = 0.01


def row_of(table: str, name: str) -> list[str]:
    row = next(each for each in table.split("<tr>") if f">{name}</th>" in each or f'data-subject="{name}"' in each)
    return NUMBERS.findall(row)


def test_a_role_is_chosen_changed_and_the_page_of_its_people_knows_it(live: Live, boss: httpx.Client) -> None:
    table, heading, form, role, *values = press(boss, "choose_role", "member")
    assert "Member" in heading
    assert form["visible"] is True
    assert (role, tuple(values)) == ("member", FORM)
    assert row_of(table, "member") == [str(value) for value in FORM]
    with live.script_of("limits-member") as member:
        try:
            changed = press(boss, "save_role", "member", "7", 21, 3, 768, 12, 2, 90, 2)
            assert row_of(changed[0], "member") == ["7", "21", "3", "768", "12", "2", "90", "2"]
            me = member.get("/api/v1/me").json()
            assert me["quota"]["daily"] == 7
            limits = me["limits"]
            assert (limits["max_side"], limits["max_steps"], limits["max_count"]) == (768, 12, 2)
            assert member.post("/api/v1/jobs", json=JOB | {"width": 1024}).status_code == 422
        finally:
            press(boss, "save_role", "member", *FORM)


def test_what_is_wrong_with_a_limit_is_named_and_nothing_changes(boss: httpx.Client) -> None:
    before = press(boss, "show_limits")
    with pytest.raises(RefusalError) as refusal:
        press(boss, "save_role", "member", "many", 1, 4, 1000, 50, 4, 120, None)
    for told in ("<b>Daily quota</b>", "<b>Waiting jobs</b>", "<b>Longest side (pixels)</b>", "<b>Weight</b>"):
        assert told in str(refusal.value)
    for name in ("owner", "", None):
        with pytest.raises(RefusalError):
            press(boss, "choose_role", name)
        with pytest.raises(RefusalError):
            press(boss, "save_role", name, *FORM)
    assert press(boss, "show_limits") == before


def test_a_budget_is_set_for_a_department_with_people_and_for_one_without(live: Live, boss: httpx.Client) -> None:
    with live.script_of("limits-mei", department="<Ink> & Paper") as mei:
        departments = press(boss, "show_limits")[1]
        assert "&lt;Ink&gt; &amp; Paper" in departments
        assert "<Ink>" not in departments
        table, name, budget = press(boss, "choose_department", "<Ink> & Paper")
        assert (name, budget) == ("<Ink> & Paper", "unlimited")
        table, name, budget = press(boss, "save_budget", "<Ink> & Paper", " 12 ")
        assert (name, budget) == ("<Ink> & Paper", "12")
        assert row_of(table, "&lt;Ink&gt; &amp; Paper") == ["1", "12", "0", "0"]
        assert mei.get("/api/v1/me").json()["budget"]["remaining"] == 12
        ended(mei, mei.post("/api/v1/jobs", json=JOB).json()["id"])
        assert row_of(press(boss, "show_limits")[1], "&lt;Ink&gt; &amp; Paper") == ["1", "12", "1", "0"]
    empty = press(boss, "save_budget", "limits-later", "unlimited")
    assert empty[1:] == ["limits-later", "unlimited"]
    assert row_of(press(boss, "save_budget", "limits-later", "0")[0], "limits-later") == ["0", "0", "0", "0"]


@pytest.mark.parametrize(("department", "budget"), [("", "1"), ("D", ""), ("D", None), ("D", "-1"), (None, "1")])
def test_a_wrong_budget_is_refused(boss: httpx.Client, department: object, budget: object) -> None:
    with pytest.raises(RefusalError, match=r"Department|Monthly budget"):
        press(boss, "save_budget", department, budget)


def test_the_day_of_a_person_tells_what_is_left_and_why_and_can_be_added_to(live: Live, boss: httpx.Client) -> None:
    with live.script_of("limits-ada", quota_daily=5) as ada:
        assert press(boss, "choose", "limits-ada")[DAY][0]["visible"] is True
        ended(ada, ada.post("/api/v1/jobs", json=JOB | {"count": 2}).json()["id"])
        with busy(live):
            cancelled = ada.post("/api/v1/jobs", json=JOB).json()["id"]
            assert ada.delete(f"/api/v1/jobs/{cancelled}").status_code == 200
        _, card, balance, amount, reason, entries = press(boss, "add_pictures", "limits-ada", 3, "<b>poster</b>")
        assert card["visible"] is True
        assert (amount, reason) == (None, "")
        assert re.findall(r'number">(\w+)', balance) == ["2", "0", "6"]
        assert "Adjusted <strong" in entries
        for part in ("+3", "limits-boss", "&lt;b&gt;poster", "The job was cancelled.", "Made", "Reserved"):
            assert part in entries, part
        assert "<b>" not in entries
        assert ada.get("/api/v1/me").json()["quota"]["remaining"] == 6
        for wrong in (0, None, 2.5, "x"):
            with pytest.raises(RefusalError, match="Pictures to add"):
                press(boss, "add_pictures", "limits-ada", wrong, "")
        with pytest.raises(RefusalError, match="no user"):
            press(boss, "add_pictures", "nobody", 1, "")
        assert ada.get("/api/v1/me").json()["quota"]["remaining"] == 6


def test_nobody_is_chosen_and_no_day_is_shown(boss: httpx.Client) -> None:
    hidden, *rest = press(boss, "choose", "nobody")[DAY]
    assert hidden["visible"] is False
    assert rest == ["", None, "", ""]


def test_the_queue_tells_places_and_its_state_in_a_sentence(live: Live, boss: httpx.Client) -> None:
    def queue(event: str = "show_queue", *data: Any) -> str:  # noqa: ANN401 - of any event
        return str(press(boss, event, *data)[0])

    with live.script_of("limits-queue") as member, busy(live):
        jobs = [member.post("/api/v1/jobs", json=JOB).json()["id"] for _ in range(3)]
        wait_for(lambda: "Running" in queue())
        assert "The queue is open." in queue()
        assert re.findall(r'<td class="right number">(\d|–)</td>\s*<th', queue()) == ["–", "1", "2"]
        assert "The queue is paused" in queue("pause")
        drained = queue("drain")
        assert "1 job is still running" in drained
        assert re.findall(r'data-press="#queue-(\w+)"', drained)[:3] == ["refresh", "pause", "resume"]
        refused = member.post("/api/v1/jobs", json=JOB)
        assert (refused.status_code, refused.json()["code"]) == (503, "service-paused")
        queue("cancel_job", jobs[0])
        assert "nothing runs and nothing new is accepted" in queue()
        for job in jobs[1:]:
            queue("cancel_job", job)
        assert "The queue is open." in queue("resume")
        assert "Nothing waits" in queue()


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "any moment", "马上就好"),
        (2.9, "any moment", "马上就好"),
        (3, "about 5 s", "约 5 秒"),
        (42, "about 40 s", "约 40 秒"),
        (57.4, "about 55 s", "约 55 秒"),
        (57.5, "about 1 min", "约 1 分钟"),
        (170, "about 3 min", "约 3 分钟"),
        (3540, "about 59 min", "约 59 分钟"),
        (3599, "about 1 h", "约 1 小时"),
        (4210, "about 1 h 10 min", "约 1 小时 10 分钟"),
        (36000, "about 10 h", "约 10 小时"),
    ],
)
def test_a_time_is_rounded_as_people_say_it(seconds: float, english: str, chinese: str) -> None:
    assert about("en", seconds) == english
    assert about("zh-CN", seconds) == chinese
