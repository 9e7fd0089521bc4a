"""Passwords: argon2id, a length rule and a block list; hashing is bounded because each hash takes 46 MiB."""

import secrets
import threading
import unicodedata
from collections.abc import Iterable
from typing import Final

from passlib.hash import argon2

from app.auth.guessable import is_guessable
from app.domain.errors import FieldError, InvalidRequestError

# ASVS 5.0, appendix C.
HASHER: Final = argon2.using(type="ID", memory_cost=46 * 1024, time_cost=1, parallelism=1)  # type: ignore[no-untyped-call]
_AT_ONCE: Final = threading.BoundedSemaphore(4)
MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 256
# Nobody can have it, and checking it costs as much as any other.
UNACCEPTABLE: Final = "\N{REPLACEMENT CHARACTER}"


def parse_password(value: object, username: str, field: str = "password", *, context: Iterable[str] = ()) -> str:
    """The new password in NFC, or InvalidRequestError. Length and a block list; no composition rules.

    `context` has the words that a guesser would try for this account besides its name: display name, department.
    """
    if not isinstance(value, str):
        raise InvalidRequestError([FieldError(field, "field.text")])
    password = unicodedata.normalize("NFC", value)
    if any(unicodedata.category(character) == "Cs" for character in password):
        raise InvalidRequestError([FieldError(field, "field.control-characters")])
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidRequestError([FieldError(field, "field.password-length", {"min": MIN_LENGTH, "max": MAX_LENGTH})])
    if is_guessable(password, (username, *context), shortest=MIN_LENGTH):
        raise InvalidRequestError([FieldError(field, "field.password-common")])
    return password


def random_password() -> str:
    """A password to hand over once: 96 bits."""
    return secrets.token_urlsafe(12)


def hash_password(password: str) -> str:
    with _AT_ONCE:
        return str(HASHER.hash(unicodedata.normalize("NFC", password)))


def verify_password(password: str, password_hash: str) -> bool:
    # Decomposed characters may need several code points each before they are composed.
    password = unicodedata.normalize("NFC", password[: 4 * MAX_LENGTH + 1])
    if len(password) > MAX_LENGTH or any(unicodedata.category(character) == "Cs" for character in password):
        password = UNACCEPTABLE
    with _AT_ONCE:
        return bool(HASHER.verify(password, password_hash))


def prepare() -> None:
    """Make nobody's hash before the first stranger comes: that one try would take twice as long."""
    _nobody()


def spend_the_time(password: str) -> None:
    """Check against nobody's hash, so that an unknown name takes as long as a known one."""
    verify_password(password, _nobody())


def needs_rehash(password_hash: str) -> bool:
    return bool(HASHER.needs_update(password_hash))


_nobodys: list[str] = []


def _nobody() -> str:
    if not _nobodys:
        _nobodys.append(hash_password(secrets.token_urlsafe()))
    return _nobodys[0]
