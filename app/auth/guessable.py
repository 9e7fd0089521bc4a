"""Passwords that are tried first: lists of leaked ones, names from around the account, runs along the keyboard."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Final

LISTED: Final = 3000  # ASVS 5.0, 6.2.4
# What people here choose and the list, which is of English speakers, does not have.
ALSO_LISTED: Final = frozenset(
    """
    5201314520 1314520520 13145200 52013140 aini1314 woaiwojia woaimama wodemima woshishui zhang123 wang1234 nihao123
    qq123456 aa123456 a1234567 abc123456 asd123456 qwe123456 zxc123456 1qaz@wsx 1qaz!qaz p@ssw0rd p@ssword 147258369
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
# The product's names and what everybody puts in front of a year.
EVERYWHERE: Final = frozenset(
    """
    atelier atelierstudio studio zimage zimageturbo tongyi tongyimai password passwort passw0rd admin administrator
    root welcome changeme letmein qwerty login user guest member iloveyou woaini mima
    """.split()  # noqa: SIM905 - likewise
)
NO_WORD: Final = re.compile(r"[\W_]+")
RUNS: Final = (
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertyuiopasdfghjklzxcvbnm",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "qweasdzxc",
    "!@#$%^&*()",
)


def is_guessable(password: str, context: Iterable[str] = (), *, shortest: int) -> bool:
    """Whether it is listed, a run, or nothing but a word of `context` with digits and signs around it.

    `shortest` is the length that is asked for anyway: shorter ones need no place in the list.
    """
    folded = _folded(password)
    unit = _unit(folded)
    if len(unit) == 1 or not {folded, unit}.isdisjoint(_listed(shortest)):
        return True
    if any(_is_run(each) for each in (folded, unit)):
        return True
    words = EVERYWHERE.union(*(_cores(word) for text in context for word in (text, *NO_WORD.split(text))))
    cores = _cores(folded)
    return not words.isdisjoint(cores.union(*(_cores(_unit(core)) for core in cores)))


@cache
def _listed(shortest: int) -> frozenset[str]:
    # Only once a password is chosen: it takes 45 ms.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]  # noqa: PLC0415

    leaked = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= shortest]
    return ALSO_LISTED.union(leaked[:LISTED])


def _folded(text: str) -> str:
    """One spelling for all that looks alike: upper case, full width."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _cores(text: str) -> set[str]:
    """The letters and digits of `text`, and the same without digits at the ends; nothing of a text that has none."""
    plain = "".join(character for character in _folded(text) if character.isalnum())
    return {plain, plain.strip("0123456789")} - {""}


def _unit(text: str) -> str:
    """What `text` is a repetition of: `meimeimei` of `mei`; itself if it is none."""
    return text[: (text + text).find(text, 1)]


def _is_run(text: str) -> bool:
    """Whether it goes along a row and begins again at its end, forwards or backwards."""
    rows = (row * (len(text) // len(row) + 2) for row in RUNS)
    return any(text in row or text[::-1] in row for row in rows)
