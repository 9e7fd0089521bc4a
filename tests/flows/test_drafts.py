"""What people type is kept for them alone, whatever it is, on every database."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidRequestError, NotAuthenticatedError, NotPermittedError, printable
from app.domain.people import Principal
from app.flows.drafts import BLANK, MAX_SHORT, MAX_TEXT, keep_draft, parse_draft, read_draft
from app.flows.users import change_user
from app.web.forms import DEFAULTS, FIELDS
from tests.houses import ORIGIN, Building

TYPED: Final[dict[str, object]] = {
    "prompt": "一只 🦊 \\ \"quoted\" 'and' \t\r\n\x01 <b>bold</b>",
    "negative_prompt": "x" * MAX_TEXT,
    "width": None,
    "height": 999.5,
    "steps": "eight",
    "guidance_scale": 1e300,
    "seed": "-0x1f",
    "count": -3,
    "bulk": True,
}
WRONG: Final[tuple[tuple[str, object], ...]] = (
    ("prompt", "x" * (MAX_TEXT + 1)),
    ("prompt", None),
    ("prompt", 5),
    ("negative_prompt", ["x"]),
    ("width", "x" * (MAX_SHORT + 1)),
    ("width", [1024]),
    ("height", True),
    ("steps", float("nan")),
    ("steps", float("inf")),
    ("seed", 10**4000),
    ("seed", {"seed": 1}),
    ("bulk", "yes"),
    ("bulk", None),
    ("password", "x"),
    ("\ud800", "x"),
)


def keep(building: Building, actor: Principal, **fields: object) -> None:
    keep_draft(building.studio, actor, fields, ORIGIN)


def read(building: Building, actor: Principal) -> dict[str, object] | None:
    return read_draft(building.studio, actor, ORIGIN)


def test_what_was_typed_comes_back_as_it_was_and_only_to_its_owner(building: Building) -> None:
    mei, bob = building.person("mei"), building.person("bob", "admin")
    assert read(building, mei) is None
    keep(building, mei, **TYPED)
    assert read(building, mei) == TYPED
    assert read(building, building.signed_in("mei")) == TYPED
    assert read(building, bob) is None

    keep(building, bob, prompt="bob's own")
    assert read(building, mei) == TYPED
    keep(building, mei, prompt="newer")
    assert read(building, mei) == {"prompt": "newer"}
    assert read(building, bob) == {"prompt": "bob's own"}


def test_characters_that_no_database_takes_are_replaced_and_the_words_around_them_stay(building: Building) -> None:
    mei = building.person("mei")
    keep(building, mei, prompt="a\0b\ud800c\udfffd 🦊", seed="\0")
    assert read(building, mei) == {"prompt": "a\ufffdb\ufffdc\ufffdd 🦊", "seed": "\ufffd"}


def test_of_an_empty_form_nothing_is_kept(building: Building) -> None:
    mei = building.person("mei")
    for empty in ({}, dict(BLANK), {"prompt": " \n", "seed": None, "width": 1024.0}):
        keep(building, mei, prompt="something")
        keep(building, mei, **empty)
        assert read(building, mei) is None
        assert building.studio.store.read(lambda tx: tx.drafts.get(mei.user_id)) is None


@pytest.mark.parametrize("changed", [{"width": 512}, {"width": None}, {"seed": "0"}, {"count": 2}, {"bulk": True}])
def test_a_form_without_words_is_kept_when_anything_was_set(light: Building, changed: dict[str, object]) -> None:
    mei = light.person("mei")
    keep(light, mei, **(dict(BLANK) | changed))
    assert read(light, mei) == dict(BLANK) | changed


def test_odd_input_is_refused_by_name_and_changes_nothing(building: Building) -> None:
    mei = building.person("mei")
    keep(building, mei, prompt="stays")
    for field, value in WRONG:
        with pytest.raises(InvalidRequestError) as refused:
            keep(building, mei, **{"height": 512, field: value})
        assert [error.field for error in refused.value.errors] == [field if field.isprintable() else "?"]
    assert read(building, mei) == {"prompt": "stays"}


def test_many_windows_that_save_at_once_leave_one_whole_draft(building: Building) -> None:
    mei = building.person("mei")
    together = threading.Barrier(8)

    def save(number: int) -> None:
        together.wait(10)
        for turn in range(4):
            # Every fourth of them empties the form, so that the row comes and goes.
            keep(building, mei, prompt="" if (number + turn) % 4 == 0 else f"{number} " * 500)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(save, range(8)))
    draft: Any = read(building, mei)
    assert draft is None or draft["prompt"] in {f"{number} " * 500 for number in range(8)}
    keep(building, mei, prompt="the last")
    assert read(building, mei) == {"prompt": "the last"}


def test_rows_that_come_and_go_under_a_save_are_no_failure(building: Building) -> None:
    """The repository alone, without the lock that the flow holds."""
    mei = building.person("mei")
    store, now = building.studio.store, building.clock.now()
    together = threading.Barrier(6)

    def save(number: int) -> None:
        together.wait(10)
        for _ in range(5):
            store.write(lambda tx: tx.drafts.keep(mei.user_id, json.dumps({"count": number}), now))
            if number == 0:
                store.write(lambda tx: tx.drafts.forget(mei.user_id))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(save, range(6)))
    store.write(lambda tx: tx.drafts.keep(mei.user_id, '{"count":9}', now))
    assert read(building, mei) == {"count": 9}


def test_guests_have_no_draft_and_the_refusal_is_written_down(light: Building) -> None:
    guest = light.person("guest", "guest")
    with pytest.raises(NotPermittedError):
        read(light, guest)
    with pytest.raises(NotPermittedError):
        keep(light, guest, prompt="secret words")
    assert light.actions()[-2:] == [("guest", "access:refused", "refused")] * 2


def test_whoever_was_disabled_a_moment_ago_reads_and_writes_nothing(light: Building) -> None:
    mei = light.person("mei")
    keep(light, mei, prompt="stays")
    change_user(light.studio, light.console(), "mei", {"disabled": True}, ORIGIN)
    with pytest.raises(NotAuthenticatedError):
        read(light, mei)
    with pytest.raises(NotAuthenticatedError):
        keep(light, mei, prompt="")
    change_user(light.studio, light.console(), "mei", {"disabled": False}, ORIGIN)
    assert read(light, light.signed_in("mei")) == {"prompt": "stays"}


def test_a_draft_leaves_no_trace_in_the_audit_trail_or_the_log(
    light: Building, caplog: pytest.LogCaptureFixture
) -> None:
    mei = light.person("mei")
    before = light.actions()
    with caplog.at_level("DEBUG"):
        keep(light, mei, prompt="palimpsest")
        read(light, mei)
        with pytest.raises(InvalidRequestError):
            keep(light, mei, prompt="palimpsest" * MAX_TEXT)
    assert light.actions() == before
    assert "palimpsest" not in caplog.text


def test_a_draft_has_the_fields_of_the_form_and_knows_which_are_blank() -> None:
    assert set(BLANK) - {"bulk"} == set(FIELDS) - {"bulk"}
    assert {name: BLANK[name] for name in DEFAULTS} == dict(DEFAULTS)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(st.dictionaries(st.sampled_from([*BLANK]) | st.text(st.characters(codec=None), max_size=3), JSON))
def test_whatever_arrives_is_refused_by_name_or_can_be_written_and_read_back(body: dict[str, object]) -> None:
    try:
        draft = parse_draft(body)
    except InvalidRequestError as refused:
        draft = {"refused": [printable(error.field) for error in refused.errors]}
        assert draft["refused"], body
    written = json.dumps(draft, ensure_ascii=False, allow_nan=False)
    assert json.loads(written.encode()) == draft
    assert "\\u0000" not in written
