"""Passwords: how they are kept, and which ones nobody may choose."""

import re

import pytest

from app.auth.guessable import is_guessable
from app.auth.passwords import (
    MAX_LENGTH,
    MIN_LENGTH,
    hash_password,
    needs_rehash,
    parse_password,
    random_password,
    spend_the_time,
    verify_password,
)
from app.domain.errors import InvalidRequestError
from tests.houses import PASSWORD

# Full width, as Chinese keyboards write.
WIDE = {code: code + 0xFEE0 for code in range(ord("!"), ord("~") + 1)}
AROUND_MEI = ("Mei Lin-Wang", "设计部", "Design")


def refusal(value: object, username: str = "mei.lin", context: tuple[str, ...] = AROUND_MEI) -> str | None:
    """The key of the refusal, None if the password is taken."""
    try:
        parse_password(value, username, "new", context=context)
    except InvalidRequestError as error:
        (wrong,) = error.errors
        assert wrong.field == "new"
        return wrong.key
    return None


@pytest.mark.usefixtures("real_hashes")
def test_a_password_is_kept_as_argon2id_with_the_chosen_cost() -> None:
    """Pitfall peers §d2.12: passwords behind fast hashes, compared with `==`, or cut off."""
    kept = hash_password("correct horse battery")
    assert re.match(r"\$argon2id\$v=19\$m=47104,t=1,p=1\$", kept)
    assert not needs_rehash(kept)
    assert verify_password("correct horse battery", kept)
    assert not verify_password("correct horse batterz", kept)


def test_all_256_characters_of_a_password_matter_and_unicode_forms_are_one() -> None:
    composed = parse_password("e\u0301x" * 127 + "ya", "mei")
    assert (len(composed), composed[0]) == (MAX_LENGTH, "é")
    kept = hash_password(composed)
    assert verify_password("e\u0301x" * 127 + "ya", kept)
    assert not verify_password("e\u0301x" * 127 + "yb", kept)


def test_nobody_can_check_a_password_that_no_database_could_hold() -> None:
    kept = hash_password("correct horse battery")
    assert not verify_password("\ud800" * 12, kept)
    assert not verify_password("x" * 100_000, kept)
    spend_the_time("anything")


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (12, "field.text"),
        (None, "field.text"),
        ("\ud800" * 12, "field.control-characters"),
        ("seven77", "field.password-length"),
        ("", "field.password-length"),
        ("ab" * 128 + "c", "field.password-length"),
        # One character each once they are composed.
        ("e\u0301" * 7, "field.password-length"),
    ],
)
def test_what_cannot_be_a_password_is_refused(value: object, key: str) -> None:
    assert refusal(value) == key


@pytest.mark.parametrize(
    "password",
    [
        # listed, in any spelling
        *("password123", "PassWord123", "trustno1", "qwer1234", "samantha1", "p@ssw0rd", "5201314520", "abc123456"),
        # the product's names and the most used words, with trivial additions
        *("atelier1", "Atelier2026!", "2026-ATELIER", "z-image-turbo", "Z_Image#1", "atelier2026".translate(WIDE)),
        *("woaini520", "woaini1314", "!admin!2026", "Welcome-2026", "password****"),
        # names from around the account
        *("mei.lin1", "MEI.LIN!!", "meilin2026", "1990meilin", "Mei Lin-Wang", "meilinwang1", "wang12345", "lin-1990-"),
        *("设计部123456", "123设计部!!", "Design2026", "..design..", "meilinmeilin", "designdesign1"),
        # repeats and runs
        *("aaaaaaaaaaaa", "66666666", "88888888", "        ", "密密密密密密密密", "12341234", "abcabcabc"),
        *("12345678", "1234567890123", "98765432", "abcdefgh", "ABCDEFGHIJ", "hgfedcba", "qwertyui", "poiuytrewq"),
        *("asdfghjk", "1qaz2wsx3edc", "1q2w3e4r5t", "qazwsxedc", "!@#$%^&*"),
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    assert refusal(password) == "field.password-common"


@pytest.mark.parametrize(
    "password",
    [
        *(PASSWORD, "correct horse battery staple", "another battery staple", "only lower case words", "not this one"),
        *("kxqvbzjw", "40286172", "三体黑暗森林法则", "mei.lin likes tea", "atelier on the hill", "the design of 1990"),
        *("passwords are for the birds", "a" * 255 + "b", "x" * 8 + "\N{GRINNING FACE}", " spaces count "),
    ],
)
def test_anything_else_is_taken_whatever_it_is_composed_of(password: str) -> None:
    assert refusal(password) is None


def test_a_random_password_to_hand_over_is_acceptable() -> None:
    assert [refusal(random_password()) for _ in range(100)] == [None] * 100


def test_a_name_is_only_refused_to_whom_it_belongs_to() -> None:
    assert refusal("mei.lin1990", username="bob", context=("Bob", "")) is None
    assert refusal("mei.lin1990", username="bob", context=("Bob", "Mei Lin")) == "field.password-common"


def test_a_name_of_digits_or_signs_refuses_nothing_but_itself() -> None:
    assert refusal("20260017", username="20260017", context=("20260017", "---")) == "field.password-common"
    assert refusal("40286172", username="20260017", context=("20260017", "---")) is None


def test_the_3000_most_used_passwords_of_our_length_are_refused() -> None:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    leaked = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= MIN_LENGTH][:3000]
    assert len(leaked) == 3000
    assert [each for each in leaked if not is_guessable(each, shortest=MIN_LENGTH)] == []
