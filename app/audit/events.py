"""Everything that the audit trail can say. Fields become its details: no prompt, no secret, ever."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`subject` is the user name or id that the event is about."""

    action: ClassVar[str]
    outcome: ClassVar[str] = "ok"
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn(Event):
    action = "session:login"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFailed(Event):
    """`reason`: unknown, password or disabled."""

    action = "session:login"
    outcome = "failed"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginThrottled(Event):
    action = "session:login"
    outcome = "throttled"
    retry_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut(Event):
    action = "session:logout"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsEnded(Event):
    """Ended by somebody, not by signing out. `why`: one, others, all or administrator."""

    action = "session:end"
    count: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Event):
    action = "account:password"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChangeFailed(Event):
    action = "account:password"
    outcome = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset(Event):
    action = "user:password-reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCreated(Event):
    action = "user:create"
    role: str
    department: str
    quota_daily: int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanged(Event):
    """Each changed field as `before -> after`."""

    action = "user:change"
    changes: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDisabled(Event):
    action = "user:disable"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEnabled(Event):
    action = "user:enable"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCreated(Event):
    """`addresses` empty: any. `quota_daily` None: as much as the owner has."""

    action = "token:create"
    token_id: str
    name: str
    scopes: str
    expires_days: int
    addresses: str
    quota_daily: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFirstUsed(Event):
    action = "token:first-use"
    token_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefused(Event):
    """A right token from an address that is not on its list."""

    action = "token:use"
    outcome = "refused"
    token_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked(Event):
    action = "token:revoke"
    token_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmitted(Event):
    """`subject` is the job's id."""

    action = "job:submit"
    cost: int
    work: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnded(Event):
    """`pictures` is what was made and charged."""

    action = "job:end"
    state: str
    pictures: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDeleted(Event):
    action = "image:delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadKept(Event):
    """`size` is what came in, in bytes."""

    action = "upload:create"
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadDeleted(Event):
    action = "upload:delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLost(Event):
    """Its file is gone from the disk; nobody has deleted it here."""

    action = "image:lost"
    outcome = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChanged(Event):
    """Each changed limit as `before -> after`; `subject` is the role."""

    action = "role:change"
    changes: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChanged(Event):
    """`subject` is the department."""

    action = "department:budget"
    changes: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaAdjusted(Event):
    """`amount` pictures were added to that day's quota, or taken from it."""

    action = "quota:adjust"
    amount: int
    day: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueControlled(Event):
    """`verb`: pause, drain or resume."""

    action = "queue:control"
    verb: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsCleared(Event):
    """Everybody's pictures that were kept to be given again."""

    action = "cache:clear"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineControlled(Event):
    """`verb`: load or unload; the model is the one to load, as `--model` names it."""

    action = "engine:control"
    verb: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Event):
    """Somebody tried what they may not; `what` is the permission or the flow, `code` the error's code."""

    action = "access:refused"
    outcome = "refused"
    what: str
    code: str
