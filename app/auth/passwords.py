"""Passwords: argon2id, a length rule and a block list; hashing is bounded because each hash takes 46 MiB."""

import secrets
import threading
import unicodedata
from typing import Final

from passlib.hash import argon2

from app.domain.errors import FieldError, InvalidRequestError

# ASVS 5.0, appendix C.
_HASHER: Final = argon2.using(type="ID", memory_cost=46 * 1024, time_cost=1, parallelism=1)  # type: ignore[no-untyped-call]
_AT_ONCE: Final = threading.BoundedSemaphore(4)
MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 256
# Nobody can have it, and checking it costs as much as any other.
UNACCEPTABLE: Final = "\N{REPLACEMENT CHARACTER}"
COMMON: Final = frozenset(
    """
    password password1 password12 password123 passw0rd p@ssw0rd 12345678 123456789 1234567890 87654321 qwertyui
    qwertyuiop 1q2w3e4r 1qaz2wsx qazwsxedc iloveyou sunshine princess football baseball superman trustno1 letmein1
    welcome1 welcome123 admin123 administrator changeme changeme1 11111111 00000000 88888888 66666666 12341234
    abcd1234 abc12345 a1b2c3d4 asdfghjk asdfghjkl zxcvbnm1 woaini520 woaini1314 5201314520 atelier1 atelier123
    """.split()  # noqa: SIM905 - a list of words reads better as words
)


def parse_password(value: object, username: str, field: str = "password") -> str:
    """The new password in NFC, or InvalidRequestError. Length and a block list; no composition rules."""
    if not isinstance(value, str):
        raise InvalidRequestError([FieldError(field, "field.text")])
    password = unicodedata.normalize("NFC", value)
    if any(unicodedata.category(character) == "Cs" for character in password):
        raise InvalidRequestError([FieldError(field, "field.control-characters")])
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidRequestError([FieldError(field, "field.password-length", {"min": MIN_LENGTH, "max": MAX_LENGTH})])
    folded = password.casefold()
    if folded in COMMON or folded == username or len(set(password)) == 1:
        raise InvalidRequestError([FieldError(field, "field.password-common")])
    return password


def random_password() -> str:
    """A password to hand over once: 96 bits."""
    return secrets.token_urlsafe(12)


def hash_password(password: str) -> str:
    with _AT_ONCE:
        return str(_HASHER.hash(unicodedata.normalize("NFC", password)))


def verify_password(password: str, password_hash: str) -> bool:
    # Decomposed characters may need several code points each before they are composed.
    password = unicodedata.normalize("NFC", password[: 4 * MAX_LENGTH + 1])
    if len(password) > MAX_LENGTH or any(unicodedata.category(character) == "Cs" for character in password):
        password = UNACCEPTABLE
    with _AT_ONCE:
        return bool(_HASHER.verify(password, password_hash))


def spend_the_time(password: str) -> None:
    """Check against nobody's hash, so that an unknown name takes as long as a known one."""
    verify_password(password, _nobody())


def needs_rehash(password_hash: str) -> bool:
    return bool(_HASHER.needs_update(password_hash))


_nobodys: list[str] = []


def _nobody() -> str:
    if not _nobodys:
        _nobodys.append(hash_password(secrets.token_urlsafe()))
    return _nobodys[0]
