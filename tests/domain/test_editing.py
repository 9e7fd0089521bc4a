"""What a request may say of pictures to begin with and of LoRAs."""

import pytest

from app.domain.errors import InvalidRequestError
from app.domain.generation import GenerationRequest, parse_generation
from app.domain.loras import LoraUse, loras_of, loras_text
from app.domain.people import RoleLimits
from app.flows.studio import console
from tests.houses import TurnedClock

LIMITS: RoleLimits = console(TurnedClock().now()).limits
PICTURE, UPLOAD = "0123456789abcdef", "u0123456789abcde"


def parsed(**fields: object) -> GenerationRequest:
    return parse_generation({"prompt": "a red circle", **fields}, LIMITS)


def test_without_an_original_there_is_no_strength() -> None:
    request = parsed(image=None, mask=None, strength=None, loras=None)
    assert (request.image, request.mask, request.strength, request.loras) == (None, None, None, ())
    assert request.fingerprint() == GenerationRequest(prompt="a red circle").fingerprint()


def test_the_strength_depends_on_the_mask_unless_it_is_given() -> None:
    assert parsed(image=PICTURE).strength == 0.6
    assert parsed(image=PICTURE, mask=UPLOAD).strength == 1.0
    assert parsed(image=UPLOAD, mask=UPLOAD, strength=0.25).strength == 0.25
    assert parsed(image=UPLOAD, strength=1).strength == 1.0


def test_the_work_is_what_is_really_made() -> None:
    whole, half = parsed(steps=8), parsed(steps=8, image=PICTURE, strength=0.5)
    assert half.pixel_steps * 2 == whole.pixel_steps


def test_loras_are_kept_as_they_were_asked_for() -> None:
    loras = (LoraUse(name="Ink (v2)", strength=-0.5), LoraUse(name="水墨", strength=1.0))
    assert parsed(loras=[{"name": "Ink (v2)", "strength": -0.5}, {"name": "水墨"}]).loras == loras
    assert loras_of(loras_text(loras)) == loras
    assert loras_text(()) is None
    assert parsed(loras=[{"name": "ink"}]).fingerprint() != parsed(loras=[]).fingerprint()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"image": "x"}, "image"),
        ({"image": 7}, "image"),
        ({"image": {"id": PICTURE}}, "image"),
        ({"image": f"{PICTURE}\n"}, "image"),
        ({"image": PICTURE, "mask": "../mask"}, "mask"),
        ({"mask": PICTURE}, "mask"),
        ({"strength": 0.5}, "strength"),
        ({"image": PICTURE, "strength": 0}, "strength"),
        ({"image": PICTURE, "strength": 1.1}, "strength"),
        ({"image": PICTURE, "strength": float("nan")}, "strength"),
        ({"image": PICTURE, "strength": True}, "strength"),
        ({"loras": "ink"}, "loras"),
        ({"loras": ["ink"]}, "loras"),
        ({"loras": [{"strength": 1}]}, "loras"),
        ({"loras": [{"name": "ink"}, {"name": "ink", "strength": 0.5}]}, "loras"),
        ({"loras": [{"name": "ink", "strength": 2.5}]}, "loras"),
        ({"loras": [{"name": "ink", "strength": float("nan")}]}, "loras"),
        ({"loras": [{"name": "ink", "strength": "1"}]}, "loras"),
        ({"loras": [{"name": "ink", "strength": None}]}, "loras"),
        ({"loras": [{"name": "../ink"}]}, "loras"),
        ({"loras": [{"name": ".ink"}]}, "loras"),
        ({"loras": [{"name": "a\\b"}]}, "loras"),
        ({"loras": [{"name": "ink\n"}]}, "loras"),
        ({"loras": [{"name": "ink", "weight": 1}]}, "loras"),
        ({"loras": [{"name": f"l{number}"} for number in range(5)]}, "loras"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, object], wrong: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parsed(**fields)
    assert {error.field for error in refusal.value.errors} == {wrong}
