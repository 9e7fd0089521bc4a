"""What profiles do to a pipeline, as far as a CPU can do it; the picture stays the same within a stated measure."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from app.domain.ports import EngineRequest
from app.engine import wire
from app.engine.core import furnish as furnish_module
from app.engine.core import levers, profiles, warming
from app.engine.core.devices import pick_device
from app.engine.core.failures import LoadError
from app.engine.core.furnish import furnish
from app.engine.core.loader import load_pipeline
from app.engine.core.models import Choice
from app.engine.core.placement import Stage
from app.engine.core.profiles import Placement, Profile, Rounding
from app.engine.core.untyped import ZImagePipeline
from app.engine.loras import LoraFolder
from tests.engine.core.painting import Easel, octets_of
from tests.engine.test_contract import REQUEST

PLAIN = Profile(name="test", dtype="float32")
Make = Callable[[EngineRequest], bytes]


@pytest.fixture
def fresh(demo: Path) -> ZImagePipeline:
    """A pipeline that nobody else tunes."""
    return load_pipeline(demo, pick_device("cpu"))


def psnr(ours: bytes, theirs: bytes) -> float:
    difference = octets_of(ours).astype(float) - octets_of(theirs)
    return float(10 * np.log10(255**2 / max(1e-9, np.mean(difference**2))))


@pytest.mark.parametrize(
    ("profile", "least"),
    [
        (replace(PLAIN, channels_last=True), 60),
        (replace(PLAIN, placement=Placement.BY_PART), 60),
        (replace(PLAIN, placement=Placement.BY_BLOCK), 60),
        (replace(PLAIN, rounding=Rounding.FP8_STORAGE), 15),
    ],
    ids=["channels last", "by part", "by block", "fp8 storage"],
)
def test_a_lever_leaves_the_picture_as_it_is_within_its_measure(
    fresh: ZImagePipeline, make: Make, profile: Profile, least: float
) -> None:
    tuned = levers.tune(fresh, "cpu", profile)
    assert tuned.unused == []
    again = replace(REQUEST, steps=4)
    assert psnr(Easel(fresh, tuned=tuned).make(again), make(again)) >= least


def test_storage_in_fp8_halves_what_the_blocks_take(fresh: ZImagePipeline) -> None:
    weight = fresh.transformer.layers[0].feed_forward.w1.weight
    before = weight.nbytes
    levers.round_storage(fresh.transformer)
    assert 4 * fresh.transformer.layers[0].feed_forward.w1.weight.nbytes == before
    assert fresh.transformer.dtype is torch.float32


def test_attention_that_does_not_work_here_gives_way_to_the_plain_one(fresh: ZImagePipeline) -> None:
    wanted = replace(PLAIN, attention=("_native_cudnn", "flash", "native"))
    tuned = levers.tune(fresh, "cpu", wanted)
    assert tuned.attention == "native"
    assert tuned.facts() == {"profile": "test", "attention": "native", "compiled": "no"}


def test_a_lever_that_breaks_is_left_alone_and_named(fresh: ZImagePipeline, make: Make) -> None:
    """Torchao is not installed here."""
    tuned = levers.tune(fresh, "cpu", replace(PLAIN, rounding=Rounding.FP8_PRODUCTS))
    assert tuned.facts()["unused"] == "fp8 products"
    assert Easel(fresh, tuned=tuned).make(REQUEST) == make(REQUEST)


def test_only_the_blocks_large_products_are_rounded(fresh: ZImagePipeline) -> None:
    linear = {name for name, part in fresh.transformer.named_modules() if isinstance(part, torch.nn.Linear)}
    rounded = {name for name in linear if levers.is_rounded(name)}
    assert {"layers.0.attention.to_q", "layers.0.attention.to_out.0", "noise_refiner.0.feed_forward.w2"} <= rounded
    kept = {name.split(".")[-2 if name[-1].isdigit() else -1] for name in linear - rounded}
    assert kept == {"all_x_embedder", "linear", "adaLN_modulation", "mlp", "cap_embedder"}


def test_text_encoder_and_transformer_take_turns_and_leave_nothing_behind(
    fresh: ZImagePipeline, caplog: pytest.LogCaptureFixture
) -> None:
    tuned = levers.tune(fresh, "cpu", replace(PLAIN, placement=Placement.BY_PART))
    easel = Easel(fresh, tuned=tuned)
    home = fresh.transformer.x_pad_token.data_ptr()
    with caplog.at_level(logging.DEBUG, logger="app.engine.core.placement"):
        easel.make(replace(REQUEST, steps=3))
        assert fresh.transformer.x_pad_token.data_ptr() != home
        easel.make(replace(REQUEST, steps=3))  # its caption is known
        easel.make(replace(REQUEST, prompt="a green star"))
    moves = [record.getMessage().replace(" the device", "") for record in caplog.records]
    text, transformer = "Qwen3Model", "ZImageTransformer2DModel"
    change = [f"{text} leaves", f"{transformer} comes to"]
    back = [f"{transformer} leaves", f"{text} comes to"]
    assert moves == [f"{text} comes to", *change, *back, *change]
    tuned.stage.bring(fresh.text_encoder)
    assert fresh.transformer.x_pad_token.data_ptr() == home


def test_what_was_added_to_a_part_on_the_device_takes_its_turns_too() -> None:
    part, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    stage = Stage(torch.device("cpu"), turns=(part, other))
    stage.bring(part)
    part.register_parameter("adapter", torch.nn.Parameter(torch.ones(2)))
    stage.bring(other)
    stage.bring(part)
    assert part.get_parameter("adapter").tolist() == [1, 1]


def test_compiled_blocks_give_the_same_picture_whoever_came_before(fresh: ZImagePipeline, make: Make) -> None:
    """By the graph alone: the code generator takes half a minute on a CPU, and `scripts/bench levers` runs it."""
    fresh.transformer.compile_repeated_blocks(dynamic=True, backend="eager")
    easel = Easel(fresh, tuned=replace(levers.plain(fresh), compiled=True))
    first = easel.make(REQUEST)
    assert psnr(first, make(REQUEST)) >= 60
    easel.make(replace(REQUEST, width=320, steps=1, prompt="a long prompt " * 8))
    assert easel.make(REQUEST) == first


def test_a_compiler_that_fails_costs_the_compiled_blocks_and_nothing_else(fresh: ZImagePipeline, make: Make) -> None:
    def broken(*_: object) -> None:
        raise FileNotFoundError("no C compiler")

    fresh.transformer.compile_repeated_blocks(dynamic=True, backend=broken)
    tuned = replace(levers.plain(fresh), compiled=True)
    tuned.profile = replace(PLAIN, compiled=True, most=2, warm=((256, 256), (256, 320)))
    told: list[float] = []
    warming.warm_up(fresh, tuned, told.append)
    assert told == [0, 0.5]
    assert (tuned.compiled, tuned.unused) == (False, ["compile"])
    assert Easel(fresh, tuned=tuned).make(REQUEST) == make(REQUEST)


def test_a_model_that_does_not_fit_is_loaded_with_the_next_lower_profile(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a described card; the weights go to the CPU."""
    described = profiles.Card("NVIDIA H100", (9, 0), 85 * 10**9, 80 * 10**9)
    tried: list[str] = []

    def load(folder: Path, _: object, profile: Profile, weights: object) -> ZImagePipeline:
        assert weights is None
        tried.append(profile.name)
        if len(tried) < 3:
            raise LoadError("engine.out-of-memory", retry=True, device="cuda:0")
        return load_pipeline(folder, pick_device("cpu"))

    monkeypatch.setattr(furnish_module, "describe", lambda _: described)
    monkeypatch.setattr(furnish_module, "load_pipeline", load)
    said: list[wire.FromChild] = []
    painter, ready = furnish(Choice("demo", demo), pick_device("cpu"), "auto", LoraFolder(demo.parent), said.append)
    assert tried == ["24gb", "16gb", "8gb"]
    assert (ready.profile, ready.notice, ready.params["profile"]) == ("8gb", "engine.profile-lowered", "8gb")
    assert painter.tuned.profile.placement is Placement.BY_BLOCK


def test_each_usual_size_is_made_before_ready_and_the_parent_hears_how_far(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = replace(PLAIN, warm=((256, 256), (256, 384)))
    monkeypatch.setattr(profiles, "choose", lambda *_: (warm, "torchao"))
    said: list[wire.FromChild] = []
    _, ready = furnish(Choice("demo", demo), pick_device("cpu"), "24gb-fp8", LoraFolder(demo.parent), said.append)
    assert said == [wire.Warming(0, ready.facts), wire.Warming(0.5, ready.facts)]
    assert (ready.notice, ready.params["lacking"]) == ("engine.profile-lacks", "torchao")
