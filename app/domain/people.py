"""Who uses Atelier: accounts, roles and their limits, and the rules for names."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from app.domain.errors import FieldError, InvalidRequestError

UNLIMITED: Final = -1
MAX_LABEL: Final = 64
MAX_QUOTA: Final = 1_000_000
USERNAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
# Windows refuses these as folder names, with any extension; a folder is named after each person.
DEVICE_NAMES: Final = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}
)
BIDI_CONTROLS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Role(StrEnum):
    """What an account may do is decided by its role alone; see `auth.policy`."""

    GUEST = "guest"
    MEMBER = "member"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an API token is narrowed to; a token never exceeds its owner's role."""

    GENERATE = "generate"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleLimits:
    """One row of `roles`: default daily quota (-1 unlimited), caps of the queue and of a request, clicks a minute.

    `weight` is the share of the machine that each of them gets, in proportion to all who wait.
    """

    role: Role
    quota_daily: int
    max_waiting: int
    max_running: int
    max_side: int
    max_steps: int
    max_count: int
    jobs_per_minute: int
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account. `quota_daily` is None for the role's default, -1 for unlimited."""

    id: int
    username: str
    display_name: str
    department: str
    role: Role
    quota_daily: int | None
    must_change_password: bool
    language: str | None
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking: the account as it is now, and the session or token that proves it.

    `token_quota`: pictures a day that the token may make of its owner's; None for as many as the owner may.
    """

    user: User
    limits: RoleLimits
    session_id: int | None = None
    token_id: str | None = None
    scopes: frozenset[Scope] | None = None
    token_quota: int | None = None

    @property
    def user_id(self) -> int:
        return self.user.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request came from, for the audit trail and the picture's log row."""

    ip_address: str = ""
    request_id: str = ""
    user_agent: str = ""


def daily_allowance(own: int | None, default: int) -> int:
    """The pictures a day an account may make; -1 is unlimited."""
    return default if own is None else own


def parse_username(text: object, field: str = "username") -> str:
    """A new account's name, or InvalidRequestError."""
    name = text if isinstance(text, str) else ""
    if not USERNAME.fullmatch(name) or name.endswith(".") or name.split(".")[0] in DEVICE_NAMES:
        raise InvalidRequestError([FieldError(field, "field.username")])
    return name


def fold_username(text: str) -> str:
    """The name as typed at login, with case folded."""
    return text.strip().lower()


def parse_label(text: object, field: str) -> str:
    """A display name or department: up to 64 characters, no control or bidi characters."""
    if not isinstance(text, str):
        raise InvalidRequestError([FieldError(field, "field.text")])
    label = unicodedata.normalize("NFC", text).strip()
    if len(label) > MAX_LABEL:
        raise InvalidRequestError([FieldError(field, "field.too-long", {"max": MAX_LABEL})])
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in BIDI_CONTROLS for c in label):
        raise InvalidRequestError([FieldError(field, "field.control-characters")])
    return label


def parse_role(value: object, field: str = "role") -> Role:
    if isinstance(value, str) and value in set(Role):
        return Role(value)
    raise InvalidRequestError([FieldError(field, "field.role", {"roles": ", ".join(Role)})])


def parse_quota(value: object, field: str = "quota_daily") -> int | None:
    """`"default"` → None, `"unlimited"` → -1, or a number of pictures a day; digits as text are a number."""
    if value == "default":
        return None
    if value == "unlimited":
        return UNLIMITED
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,7}", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_QUOTA:
        return value
    raise InvalidRequestError([FieldError(field, "field.quota", {"max": MAX_QUOTA})])


def quota_text(value: int | None) -> int | Literal["default", "unlimited"]:
    """How the outside writes a daily quota."""
    if value is None:
        return "default"
    return "unlimited" if value == UNLIMITED else value
