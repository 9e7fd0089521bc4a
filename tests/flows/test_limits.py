"""Budgets of departments, what administrators add to a day, and the limits of roles."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from app.domain.errors import InvalidRequestError, NotFoundError, NotPermittedError, QuotaExceededError
from app.domain.people import Principal
from app.flows.account import me
from app.flows.cancel import cancel
from app.flows.check import find_differences
from app.flows.limits import change_role, list_departments, list_roles, set_budget
from app.flows.quota_ledger import LedgerPage, adjust_quota, day_ledger
from app.flows.submit import submit
from app.flows.users import change_user
from app.quota.ledger import Day, month_of
from app.quota.service import reserve
from app.store.transaction import Transaction
from tests.houses import ORIGIN, SMALL, Building

DESIGN = "设计部 / Design"


def budget(building: Building, pictures: object) -> None:
    set_budget(building.studio, building.console(), {"department": DESIGN, "budget_monthly": pictures}, ORIGIN)


def month(building: Building, name: str = DESIGN) -> tuple[int, int]:
    found = list_departments(building.studio, building.console(), ORIGIN)
    return next((each.used, each.reserved) for each in found if each.department == name)


def clicked(building: Building, actor: Principal) -> str:
    try:
        submit(building.studio, actor, SMALL, origin=ORIGIN)
    except QuotaExceededError as error:
        return error.key
    return "accepted"


def test_forty_parallel_clicks_of_one_person_leave_exactly_the_quota(building: Building) -> None:
    mei = building.person("mei", quota_daily=13)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: clicked(building, mei), range(40)))
    assert sorted(answers) == ["accepted"] * 13 + ["error.quota-exceeded"] * 27
    assert building.quota(mei) == (0, 13)


def test_forty_parallel_clicks_of_a_department_leave_exactly_its_budget(building: Building) -> None:
    people = [building.person(f"p{number}", department=DESIGN) for number in range(8)]
    budget(building, 13)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda number: clicked(building, people[number % 8]), range(40)))
    assert sorted(answers) == ["accepted"] * 13 + ["error.budget-exceeded"] * 27
    assert month(building) == (0, 13)
    assert sum(building.quota(actor)[1] for actor in people) == 13
    assert find_differences(building.studio, patience=0) == ()


def test_both_the_day_and_the_departments_month_must_fit(building: Building) -> None:
    mei, tom = building.person("mei", department=DESIGN, quota_daily=2), building.person("tom", department=DESIGN)
    budget(building, 3)
    building.click(mei, count=2)
    with pytest.raises(QuotaExceededError, match="quota-exceeded"):
        building.click(mei)
    with pytest.raises(QuotaExceededError) as refused:
        building.click(tom, count=2)
    assert (refused.value.key, refused.value.params) == ("error.budget-exceeded", {"needed": 2, "remaining": 1})
    assert refused.value.retry_after == 7.5 * 86400  # noon of 23 November to the first of December
    assert building.quota(tom) == (0, 0)
    assert me(building.studio, tom).budget == me(building.studio, mei).budget
    building.click(tom)
    assert month(building) == (0, 3)


def test_a_month_counts_the_pictures_that_were_made_and_begins_anew(light: Building) -> None:
    mei = light.person("mei", department=DESIGN)
    budget(light, 3)
    light.click(mei, count=2)
    light.work()
    job = light.click(mei)
    cancel(light.studio, mei, job.id, ORIGIN)
    assert month(light) == (2, 0)
    light.clock.turn(days=10)
    assert month(light) == (0, 0)
    late = light.click(mei, count=3)
    light.clock.turn(days=31)
    light.work()
    assert month(light) == (0, 0)  # charged to the month of the click
    assert light.studio.store.read(lambda tx: tx.months.month(DESIGN, late.day.replace(day=1))).used == 3
    assert find_differences(light.studio, patience=0) == ()


def test_a_month_is_the_departments_of_the_click_wherever_the_person_goes(light: Building) -> None:
    mei = light.person("mei", department=DESIGN)
    light.click(mei)
    change_user(light.studio, light.console(), "mei", {"department": "Sales"}, ORIGIN)
    light.work()
    assert (month(light), month(light, "Sales")) == ((1, 0), (0, 0))
    light.click(mei)
    assert month(light, "Sales") == (0, 1)


def test_a_lowered_budget_blocks_new_clicks_and_cancels_nothing(light: Building) -> None:
    mei = light.person("mei", department=DESIGN)
    light.click(mei, count=3)
    budget(light, 1)
    assert clicked(light, mei) == "error.budget-exceeded"
    light.work()
    assert month(light) == (3, 0)
    budget(light, "unlimited")
    assert clicked(light, mei) == "accepted"


def test_a_wrong_month_is_found(building: Building) -> None:
    mei = building.person("mei", department=DESIGN)
    building.click(mei)
    building.studio.store.write(lambda tx: tx.months.move(DESIGN, date(2026, 11, 1), used=1, reserved=0))
    (found,) = find_differences(building.studio, patience=0)
    assert (found.kind, found.subject) == ("month", f"{DESIGN} 2026-11")
    assert found.params == {"used": 1, "reserved": 1, "ledger_used": 0, "ledger_reserved": 1}


def test_what_is_added_to_a_day_can_be_spent_that_day_and_the_ledger_tells(building: Building) -> None:
    mei, boss = building.person("mei", quota_daily=1), building.person("boss", "admin")
    building.click(mei)
    assert clicked(building, mei) == "error.quota-exceeded"

    left = adjust_quota(building.studio, boss, "mei", {"amount": 2, "reason": "a rush job"}, ORIGIN)
    assert (left.allowance, left.reserved, left.remaining) == (3, 1, 2)
    building.click(mei, count=2)
    building.work()
    assert clicked(building, mei) == "error.quota-exceeded"

    ledger = day_ledger(building.studio, boss, "mei", LedgerPage(limit=50), ORIGIN)
    told = [(each.kind, each.amount, each.actor, each.reason) for each in ledger.entries.items]
    assert told == [
        ("commit", 1, "system", "picture"),
        ("reserve", 2, "mei", "submitted"),
        ("adjust", 2, "boss", "a rush job"),
        ("reserve", 1, "mei", "submitted"),
    ]
    assert ("boss", "quota:adjust", "ok") in building.actions()
    assert find_differences(building.studio, patience=0) == ()
    building.clock.turn(days=1)
    assert me(building.studio, mei).quota.allowance == 1


def test_what_is_taken_from_a_day_blocks_new_clicks_and_cancels_nothing(light: Building) -> None:
    mei = light.person("mei", quota_daily=5)
    light.click(mei, count=3)
    left = adjust_quota(light.studio, light.console(), "mei", {"amount": -4}, ORIGIN)
    assert (left.allowance, left.remaining) == (1, 0)
    assert clicked(light, mei) == "error.quota-exceeded"
    light.work()
    assert light.quota(mei) == (3, 0)
    left = adjust_quota(light.studio, light.console(), "mei", {"amount": -4}, ORIGIN)
    assert (left.allowance, left.remaining) == (0, 0)


def test_a_wrong_sum_of_what_was_added_is_found(light: Building) -> None:
    mei = light.person("mei")
    adjust_quota(light.studio, light.console(), "mei", {"amount": 5}, ORIGIN)
    today = light.studio.today().date
    light.studio.store.write(lambda tx: tx.quota.adjust(mei.user_id, today, 1))
    (found,) = find_differences(light.studio, patience=0)
    assert (found.kind, found.params) == ("adjusted", {"adjusted": 6, "ledger_adjusted": 5})


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"max_waiting": 19}, ["max_waiting"]),
        ({"max_side": 1000, "weight": 0}, ["max_side", "weight"]),
        ({"quota_daily": "default"}, ["quota_daily"]),
        ({"quota_daily": -1}, ["quota_daily"]),
        ({"max_steps": True, "max_count": 5}, ["max_steps", "max_count"]),
        ({"max_running": 2.5}, ["max_running"]),
        ({"owner": 1}, ["owner"]),
    ],
)
def test_limits_that_make_no_sense_are_refused_and_change_nothing(
    light: Building, body: dict[str, object], fields: list[str]
) -> None:
    before = list_roles(light.studio, light.console(), ORIGIN)
    with pytest.raises(InvalidRequestError) as refused:
        change_role(light.studio, light.console(), "member", {"jobs_per_minute": 7, **body}, ORIGIN)
    assert [each.field for each in refused.value.errors] == fields
    assert list_roles(light.studio, light.console(), ORIGIN) == before


def test_changed_limits_are_written_down_and_hold(light: Building) -> None:
    boss = light.person("boss", "admin")
    body = {"quota_daily": "unlimited", "max_side": "512", "weight": 1}
    changed = change_role(light.studio, boss, "member", body, ORIGIN)
    assert (changed.quota_daily, changed.max_side) == (-1, 512)
    (row,) = light.studio.store.read(lambda tx: tx.audit.list(action="role:change", limit=5)).items
    assert (row.actor, row.subject) == ("boss", "member")
    assert row.details == '{"changes": {"max_side": "2048 -> 512", "quota_daily": "50 -> unlimited"}}'
    mei = light.person("mei")
    assert me(light.studio, mei).quota.remaining is None
    with pytest.raises(InvalidRequestError):
        light.click(mei, width=528)


@pytest.mark.parametrize("budgets", [-1, 1.5, "many", 10**9, True, []])
def test_a_budget_is_a_number_or_unlimited(light: Building, budgets: object) -> None:
    with pytest.raises(InvalidRequestError):
        budget(light, budgets)
    assert list_departments(light.studio, light.console(), ORIGIN) == ()


@pytest.mark.parametrize("amount", [0, "-0", None, 1.5, True, 10**7, "five"])
def test_an_amount_is_a_number_other_than_nothing(light: Building, amount: object) -> None:
    light.person("mei")
    with pytest.raises(InvalidRequestError):
        adjust_quota(light.studio, light.console(), "mei", {"amount": amount}, ORIGIN)


def test_only_administrators_set_limits(light: Building) -> None:
    mei = light.person("mei")
    for attempt in (
        lambda: list_roles(light.studio, mei, ORIGIN),
        lambda: change_role(light.studio, mei, "member", {"weight": 100}, ORIGIN),
        lambda: list_departments(light.studio, mei, ORIGIN),
        lambda: set_budget(light.studio, mei, {"department": "a", "budget_monthly": 1}, ORIGIN),
        lambda: adjust_quota(light.studio, mei, "mei", {"amount": 5}, ORIGIN),
        lambda: day_ledger(light.studio, mei, "mei", LedgerPage(limit=5), ORIGIN),
    ):
        with pytest.raises(NotPermittedError):
            attempt()
    with pytest.raises(NotFoundError):
        change_role(light.studio, light.console(), "nobody", {"weight": 2}, ORIGIN)


@pytest.mark.parametrize(
    ("moment", "zone", "first", "ends"),
    [
        ("2026-11-30T17:00:00+00:00", "Asia/Shanghai", date(2026, 12, 1), "2026-12-31T16:00:00+00:00"),
        ("2026-03-15T12:00:00+00:00", "Europe/Berlin", date(2026, 3, 1), "2026-03-31T22:00:00+00:00"),
        ("2028-02-29T23:30:00+00:00", "UTC", date(2028, 2, 1), "2028-03-01T00:00:00+00:00"),
    ],
)
def test_a_month_ends_at_midnight_where_the_team_is(moment: str, zone: str, first: date, ends: str) -> None:
    found = month_of(datetime.fromisoformat(moment), ZoneInfo(zone))
    assert (found.date, found.ends_at) == (first, datetime.fromisoformat(ends))


def test_a_click_in_the_last_moment_of_a_month_is_all_of_that_month(
    light: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock goes on between any two lines."""
    mei = light.person("mei", department=DESIGN)
    light.clock.moment = datetime.fromisoformat("2026-11-30T23:59:59.999+00:00")

    def slowly(tx: Transaction, actor: Principal, day: Day, amount: int, now: datetime) -> None:
        reserve(tx, actor, day, amount, now)
        light.clock.turn(seconds=1)

    monkeypatch.setattr("app.flows.submit.reserve", slowly)
    light.click(mei)
    light.work()

    months = [light.studio.store.read(lambda tx, m=m: tx.months.month(DESIGN, date(2026, m, 1))) for m in (11, 12)]  # type: ignore[misc]
    assert [(each.used, each.reserved) for each in months] == [(1, 0), (0, 0)]
    assert find_differences(light.studio, patience=0) == ()


def test_what_is_added_to_one_day_has_an_end(light: Building) -> None:
    light.person("mei")
    adjust_quota(light.studio, light.console(), "mei", {"amount": 1_000_000}, ORIGIN)
    with pytest.raises(InvalidRequestError):
        adjust_quota(light.studio, light.console(), "mei", {"amount": 1}, ORIGIN)
