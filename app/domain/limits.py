"""The limits that administrators set: of a role, of a department's month, and what they add to somebody's day."""

import re
from collections.abc import Mapping
from typing import Final

from app.domain.errors import FieldError, InvalidRequestError, NotFoundError, printable
from app.domain.generation import MAX_COUNT, MAX_SIDE, MAX_STEPS, MIN_SIDE, SIDE_STEP
from app.domain.people import MAX_QUOTA, UNLIMITED, Role, parse_label, parse_quota

MAX_BUDGET: Final = 100_000_000
MAX_REASON: Final = 160
# Lowest, highest, multiple of. A member may always hold 20 waiting jobs: docs/API.md promises it.
BOUNDS: Final[Mapping[str, tuple[int, int, int]]] = {
    "max_waiting": (20, 10_000, 1),
    "max_running": (1, 64, 1),
    "max_side": (MIN_SIDE, MAX_SIDE, SIDE_STEP),
    "max_steps": (1, MAX_STEPS, 1),
    "max_count": (1, MAX_COUNT, 1),
    "jobs_per_minute": (1, 100_000, 1),
    "weight": (1, 100, 1),
}
FIELDS: Final = ("quota_daily", *BOUNDS)
_DIGITS: Final = re.compile(r"-?[0-9]{1,9}")


def parse_role_name(text: str) -> Role:
    """Raises NotFoundError."""
    if text not in set(Role):
        raise NotFoundError("error.no-such-role", role=printable(text))
    return Role(text)


def parse_limits(body: Mapping[str, object]) -> dict[str, int]:
    """The given fields of FIELDS; `quota_daily` is a number or `"unlimited"`. Digits as text are a number.

    Raises InvalidRequestError naming every wrong field.
    """
    found: dict[str, int] = {}
    errors = [FieldError(printable(name), "field.unknown") for name in sorted(set(body) - set(FIELDS))]
    for name in [name for name in FIELDS if name in body]:
        try:
            found[name] = _quota(body[name]) if name == "quota_daily" else _within(name, body[name])
        except InvalidRequestError as error:
            errors.extend(error.errors)
    if errors:
        raise InvalidRequestError(errors)
    return found


def parse_budget(value: object, field: str = "budget_monthly") -> int | None:
    """Pictures a month, or `"unlimited"` or null for none."""
    if value is None or value == "unlimited":
        return None
    number = _integer(value)
    if number is None or not 0 <= number <= MAX_BUDGET:
        raise InvalidRequestError([FieldError(field, "field.budget", {"max": MAX_BUDGET})])
    return number


def parse_department(value: object) -> str:
    """People without a department share no budget."""
    name = parse_label(value, "department")
    if not name:
        raise InvalidRequestError([FieldError("department", "field.required")])
    return name


def parse_amount(value: object) -> int:
    """Pictures to add to a day, or with a minus to take from it."""
    number = _integer(value)
    if number is None or number == 0 or abs(number) > MAX_QUOTA:
        raise InvalidRequestError([FieldError("amount", "field.amount", {"max": MAX_QUOTA})])
    return number


def parse_reason(value: object) -> str:
    """Why, in a few words; may be empty."""
    text = " ".join(value.split()) if isinstance(value, str) else value
    if text is None:
        return ""
    if not isinstance(text, str):
        raise InvalidRequestError([FieldError("reason", "field.text")])
    if len(text) > MAX_REASON:
        raise InvalidRequestError([FieldError("reason", "field.too-long", {"max": MAX_REASON})])
    if printable(text, MAX_REASON) != text:
        raise InvalidRequestError([FieldError("reason", "field.control-characters")])
    return text


def _quota(value: object) -> int:
    number = parse_quota(value)
    if number is None:  # a role's quota is what "default" stands for
        raise InvalidRequestError([FieldError("quota_daily", "field.daily", {"max": MAX_QUOTA})])
    return number


def _within(name: str, value: object) -> int:
    low, high, step = BOUNDS[name]
    number = _integer(value)
    if number is None:
        raise InvalidRequestError([FieldError(name, "field.integer")])
    if not low <= number <= high:
        raise InvalidRequestError([FieldError(name, "field.range", {"min": low, "max": high})])
    if number % step:
        raise InvalidRequestError([FieldError(name, "field.multiple", {"step": step})])
    return number


def _integer(value: object) -> int | None:
    """JSON has one kind of number, and a form sends text."""
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def shown_limit(name: str, value: int) -> int | str:
    """How the outside writes it."""
    return "unlimited" if name == "quota_daily" and value == UNLIMITED else value
