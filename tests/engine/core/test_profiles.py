"""Which choices are made for which card."""

import pytest

from app.engine.core.profiles import DEMO, NAMES, TURBO, Card, Placement, Profile, Rounding, choose, lower
from app.settings import Settings

GB = 10**9


def card(name: str, capability: tuple[int, int], total: float, taken: float = 0.5) -> Card:
    return Card(name, capability, round(total * GB), round((total - taken) * GB))


H100 = card("NVIDIA H100", (9, 0), 85)
RTX_4090 = card("NVIDIA GeForce RTX 4090", (8, 9), 25.7)
RTX_4080 = card("NVIDIA GeForce RTX 4080", (8, 9), 17.1)
RTX_3060 = card("NVIDIA GeForce RTX 3060", (8, 6), 12.8)
RTX_2070 = card("NVIDIA GeForce RTX 2070", (7, 5), 8.5)
NO_CARD = Card("cpu")


@pytest.mark.parametrize(
    ("which", "name", "dtype", "compiled", "attention", "tiled_above"),
    [
        (H100, "24gb", "bfloat16", True, "_native_cudnn", 2048),
        (card("NVIDIA A100", (8, 0), 42), "24gb", "bfloat16", True, "native", 2048),
        (RTX_4090, "24gb", "bfloat16", True, "native", 1536),
        (RTX_4080, "16gb", "bfloat16", False, "native", 1024),
        (RTX_3060, "8gb", "bfloat16", False, "native", 2048),
        (RTX_2070, "8gb", "float32", False, "native", 1024),
        (card("Tesla V100", (7, 0), 34), "16gb", "float32", False, "native", 1024),
        (NO_CARD, "cpu", "float32", False, "native", 2048),
    ],
    ids=lambda value: value.name if isinstance(value, Card) else None,
)
def test_auto_takes_what_the_card_can_carry_and_never_rounds_weights(
    which: Card, name: str, dtype: str, *, compiled: bool, attention: str, tiled_above: int
) -> None:
    profile, lacking = choose("auto", which)
    assert (profile.name, profile.dtype, profile.compiled, lacking) == (name, dtype, compiled, "")
    assert profile.attention[0] == attention
    assert profile.attention[-1] == "native"
    assert (profile.tiled_above, profile.largest_side) == (tiled_above**2, 2048)
    assert profile.rounding is Rounding.NONE
    assert not profile.text_encoder_4bit
    assert profile.most == (1 if which is NO_CARD else 4)
    assert bool(profile.warm) is compiled


@pytest.mark.parametrize(
    ("which", "placement"),
    [(RTX_4090, Placement.RESIDENT), (RTX_4080, Placement.BY_PART), (RTX_3060, Placement.BY_BLOCK)],
)
def test_what_does_not_fit_waits_in_the_computers_memory(which: Card, placement: Placement) -> None:
    assert choose("auto", which)[0].placement is placement


def test_a_card_that_others_use_counts_for_what_is_free() -> None:
    assert choose("auto", card("NVIDIA H100", (9, 0), 85, taken=65))[0].name == "16gb"


def test_the_demo_model_is_small_enough_for_any_card() -> None:
    assert choose("auto", RTX_2070, DEMO)[0].placement is Placement.RESIDENT
    assert not choose("auto", H100, DEMO)[0].compiled


@pytest.mark.parametrize("name", ["24gb", "16gb", "8gb"])
def test_a_named_profile_is_taken_whatever_the_card(name: str) -> None:
    assert choose(name, RTX_4080)[0].name == name


@pytest.mark.parametrize(
    ("wanted", "which", "has", "name", "lacking"),
    [
        ("24gb-fp8", RTX_4090, {"torchao"}, "24gb-fp8", ""),
        ("24gb-fp8", RTX_4090, set(), "24gb", "torchao"),
        ("24gb-fp8", card("NVIDIA A100", (8, 0), 42), {"torchao"}, "24gb", "compute capability 8.9"),
        ("12gb-fp8", RTX_3060, {"bitsandbytes"}, "12gb-fp8", ""),
        ("12gb-fp8", RTX_3060, set(), "8gb", "bitsandbytes"),
        ("12gb-fp8", RTX_2070, {"bitsandbytes"}, "8gb", "compute capability 8.0"),
        ("16gb", NO_CARD, set(), "cpu", "CUDA"),
    ],
)
def test_a_profile_that_lacks_something_gives_way_and_says_what_it_lacks(
    wanted: str, which: Card, has: set[str], name: str, lacking: str
) -> None:
    profile, found = choose(wanted, which, has=has.__contains__)
    assert (profile.name, found) == (name, lacking)


def test_each_profile_but_the_last_has_a_lower_one_that_holds_less_on_the_card() -> None:
    seen = []
    profile: Profile | None = choose("auto", H100)[0]
    while profile is not None:
        seen.append(profile.name)
        profile = lower(profile, H100, TURBO)
    assert seen == ["24gb", "16gb", "8gb"]
    assert lower(choose("auto", NO_CARD)[0], NO_CARD) is None


def test_the_setting_knows_the_profiles_by_name() -> None:
    assert set(Settings.model_fields["engine_profile"].annotation.__args__) == set(NAMES)  # type: ignore[union-attr]
