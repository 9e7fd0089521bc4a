"""Names and labels from outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidRequestError
from app.domain.people import parse_label, parse_quota, parse_role, parse_username, quota_text


@pytest.mark.parametrize("name", ["a", "mei", "mei.lin-2_x", "0day", "a" * 32, "common", "com1x"])
def test_ordinary_names_are_accepted(name: str) -> None:
    assert parse_username(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mei",
        ".a",
        "-a",
        "a.",
        "..",
        "a/b",
        "a\\b",
        "a b",
        "con",
        "nul.txt",
        "com1",
        "lpt9.x",
        "com\N{SUPERSCRIPT ONE}",
        "a\u2028",
        "a\x00",
        "C:a",
        "a" * 33,
        "a" * 255,
        "é",
        "a\n",
        None,
        5,
    ],
)
def test_names_that_no_folder_could_carry_are_refused(name: object) -> None:
    """Pitfall peers §d2.14: names that lead out of a folder, or into that of somebody else."""
    with pytest.raises(InvalidRequestError):
        parse_username(name)


@given(st.text())
def test_an_accepted_name_is_a_plain_folder_name(text: str) -> None:
    try:
        name = parse_username(text)
    except InvalidRequestError:
        return
    assert name == text
    assert not set(name) & set('/\\:*?"<>| ')
    assert name not in {".", ".."}


@pytest.mark.parametrize("label", ["a\u202eb", "a\x00b", "a\nb", "x" * 65, None, 5])
def test_labels_carry_no_control_or_direction_characters(label: object) -> None:
    with pytest.raises(InvalidRequestError):
        parse_label(label, "department")


def test_labels_may_be_any_other_text() -> None:
    assert parse_label(" 设计部 👩‍🎨 ", "department") == "设计部 👩‍🎨"


@pytest.mark.parametrize(("written", "kept"), [("default", None), ("unlimited", -1), (0, 0), ("12", 12), (7, 7)])
def test_quotas_are_a_number_or_a_word(written: object, kept: int | None) -> None:
    assert parse_quota(written) == kept
    assert parse_quota(quota_text(kept)) == kept


@pytest.mark.parametrize("written", [-2, True, 1.5, "", "many", "-1", 10**9, None, []])
def test_other_quotas_are_refused(written: object) -> None:
    with pytest.raises(InvalidRequestError):
        parse_quota(written)


@pytest.mark.parametrize("role", ["owner", "", None, 1, "ADMIN"])
def test_unknown_roles_are_refused(role: object) -> None:
    with pytest.raises(InvalidRequestError):
        parse_role(role)
