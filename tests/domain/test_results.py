"""What decides a picture is written down in one way, and nothing of it is left out."""

from dataclasses import fields, make_dataclass, replace
from pathlib import Path

import pytest

from app.domain.loras import LoraUse
from app.domain.ports import EngineRequest, PictureOrder
from app.domain.results import IRRELEVANT, recipe_text

ORDER = PictureOrder(index=0, seed=7)
REQUEST = EngineRequest(
    job_id="0123456789abcdef",
    attempt=1,
    prompt="a red circle",
    negative_prompt="",
    width=256,
    height=256,
    steps=2,
    guidance_scale=2.0,
    pictures=(ORDER,),
)
FACTS = {"model": "demo", "revision": "1", "device": "cuda:0 NVIDIA H100", "dtype": "bfloat16"}
# Whoever adds a field to the request decides here whether it takes part.
OTHERS: dict[str, object] = {
    "prompt": "a blue circle",
    "negative_prompt": "a square",
    "width": 272,
    "height": 272,
    "steps": 3,
    "guidance_scale": 2.5,
    "exact": True,
    "image": b"a picture",
    "mask": b"a mask",
    "strength": 0.5,
    "loras": (LoraUse(name="ink", strength=0.8),),
}


def test_each_field_of_a_request_is_known_to_decide_the_picture_or_not() -> None:
    assert {field.name for field in fields(EngineRequest)} == OTHERS.keys() | IRRELEVANT


@pytest.mark.parametrize("field", OTHERS)
def test_another_value_makes_another_picture(field: str) -> None:
    other = replace(REQUEST, **{field: OTHERS[field]})  # type: ignore[arg-type]  # of the field's own type
    assert recipe_text(other, ORDER, FACTS, 1) != recipe_text(REQUEST, ORDER, FACTS, 1)


def test_seed_person_and_every_fact_of_the_engine_take_part() -> None:
    plain = recipe_text(REQUEST, ORDER, FACTS, 1)
    others = [recipe_text(REQUEST, PictureOrder(index=0, seed=8), FACTS, 1)]
    others += [recipe_text(REQUEST, ORDER, FACTS, whose) for whose in (2, None)]
    others += [recipe_text(REQUEST, ORDER, FACTS | {name: "another"}, 1) for name in (*FACTS, "profile")]
    assert len({plain, *others}) == len(others) + 1


def test_neither_the_job_nor_the_place_in_it_nor_the_number_of_the_card_take_part() -> None:
    again = replace(REQUEST, job_id="fedcba9876543210", attempt=2, pictures=())
    second = PictureOrder(index=3, seed=7)
    card = FACTS | {"device": "cuda:1 NVIDIA H100"}
    assert recipe_text(again, second, card, 1) == recipe_text(REQUEST, ORDER, FACTS, 1)


def test_a_negative_prompt_that_nobody_reads_does_not_take_part() -> None:
    plain, other = (replace(REQUEST, guidance_scale=0.0, negative_prompt=text) for text in ("", "a square"))
    assert recipe_text(plain, ORDER, FACTS, 1) == recipe_text(other, ORDER, FACTS, 1)


def test_bytes_and_parts_take_part_and_what_cannot_be_written_in_one_way_is_refused() -> None:
    class_ = make_dataclass("With", [("extra", object)], bases=(EngineRequest,), frozen=True, kw_only=True)
    values = {field.name: getattr(REQUEST, field.name) for field in fields(REQUEST)}
    texts = [recipe_text(class_(**values, extra=extra), ORDER, FACTS, 1) for extra in (b"a", b"b", (ORDER,), None)]
    assert len(set(texts)) == 4
    with pytest.raises(TypeError, match="Path"):
        recipe_text(class_(**values, extra=Path("image.png")), ORDER, FACTS, 1)
