"""The one error tree. Each error has a code for programs and a catalogue key for people.

StudioError
├── BadRequestError            the bytes make no sense
├── NotAuthenticatedError      nobody is signed in
├── SignInFailedError          unknown name, wrong password or disabled account: one text for all
├── NotPermittedError          the role does not allow it
├── CrossSiteError             the request came from another site
├── PasswordChangeRequiredError
├── NotFoundError              it is not there, or not yours
├── ConflictError              the state forbids it
├── InvalidRequestError        some fields are wrong; `errors` names each
├── QuotaExceededError
├── TooManyJobsError
├── RateLimitedError
├── PayloadTooLargeError
├── UnsupportedMediaTypeError
├── ServicePausedError         the queue is draining: nothing new until an administrator resumes
├── EngineUnavailableError
└── UnavailableError           the database is away, the disk is full
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

Params = Mapping[str, str | int | float]


def printable(text: str, longest: int = 64) -> str:
    """What somebody outside named, as any log, answer or database can hold it."""
    return "".join(character if character.isprintable() else "?" for character in text[:longest])


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: its name as the outside writes it, and the catalogue key of the reason."""

    field: str
    key: str
    params: Params = dataclasses.field(default_factory=dict)


class StudioError(Exception):
    """Base of all errors that are meant for people; `key` and `params` name the text in the catalogue."""

    code: ClassVar[str] = "internal-error"

    def __init__(self, key: str = "", /, **params: str | int | float) -> None:
        self.key = key or f"error.{self.code}"
        self.params: Params = params
        super().__init__(self.key)


class BadRequestError(StudioError):
    code = "bad-request"


class NotAuthenticatedError(StudioError):
    code = "not-authenticated"


class SignInFailedError(StudioError):
    code = "sign-in-failed"


class NotPermittedError(StudioError):
    code = "not-permitted"


class CrossSiteError(StudioError):
    code = "cross-site"


class PasswordChangeRequiredError(StudioError):
    code = "password-change-required"


class NotFoundError(StudioError):
    code = "not-found"


class ConflictError(StudioError):
    code = "conflict"


class InvalidRequestError(StudioError):
    code = "invalid-request"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__()


class QuotaExceededError(StudioError):
    code = "quota-exceeded"

    def __init__(self, key: str = "", /, *, needed: int, remaining: int, retry_after: int) -> None:
        """`retry_after` is the number of seconds until the next day, or a department's next month, begins."""
        self.retry_after = retry_after
        super().__init__(key, needed=needed, remaining=remaining)


class TooManyJobsError(StudioError):
    code = "too-many-jobs"


class RateLimitedError(StudioError):
    code = "rate-limited"

    def __init__(self, *, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(seconds=retry_after)


class PayloadTooLargeError(StudioError):
    code = "payload-too-large"


class UnsupportedMediaTypeError(StudioError):
    code = "unsupported-media-type"


class ServicePausedError(StudioError):
    code = "service-paused"


class EngineUnavailableError(StudioError):
    code = "engine-unavailable"


class UnavailableError(StudioError):
    code = "unavailable"
