"""The judge tells right from wrong: what is drawn from a scene passes, and what is drawn from another does not."""

import random
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from scripts.demo import judge, scenes
from scripts.demo.scenes import Scene, Thing


def octets(scene: Scene, height: int = 256, width: int = 256) -> Tensor:
    drawn = scenes.draw(scenes.arrange(scene, height, width, random.Random(1)))
    return ((drawn + 1) * 127.5).round().permute(1, 2, 0)


@pytest.mark.parametrize("shape", scenes.SHAPES)
@pytest.mark.parametrize(("height", "width"), [(256, 256), (640, 384)])
def test_every_shape_passes_as_itself_and_as_no_other(shape: str, height: int, width: int) -> None:
    scene = Scene((Thing(shape, "blue"),), "yellow")
    assert judge.judge(octets(scene, height, width), scene) == judge.Verdict(background=True, colour=True, shape=True)
    for other in set(scenes.SHAPES) - {shape}:
        assert not judge.judge(octets(scene, height, width), Scene((Thing(other, "blue"),), "yellow")).shape


def test_a_wrong_colour_and_a_wrong_ground_are_seen() -> None:
    scene = Scene((Thing("star", "red"),), "white")
    assert not judge.judge(octets(scene), Scene((Thing("star", "orange"),), "white")).colour
    assert not judge.judge(octets(scene), replace(scene, background="gray")).background


def test_number_and_order_count() -> None:
    pair = Scene((Thing("star", "red"), Thing("ring", "blue")), "white")
    turned = replace(pair, things=pair.things[::-1])
    assert judge.judge(octets(pair), pair).shape
    assert not judge.judge(octets(pair), turned).shape
    three = Scene((Thing("star", "red"),), "white", count=3)
    assert judge.judge(octets(three), three).shape
    assert not judge.judge(octets(three), replace(three, count=4)).shape


@pytest.mark.parametrize("shape", scenes.SHAPES)
def test_a_plain_outline_is_where_it_belongs_and_as_long_as_it_should_be(shape: str) -> None:
    scene = Scene((Thing(shape, "blue"),), "yellow")
    seen = judge.outline(octets(scene), scene)
    assert seen.off < 0.004  # it is drawn a little off
    assert abs(seen.longer) < 0.015


def test_an_outline_that_moved_is_off_and_a_ragged_one_is_longer_too() -> None:
    scene = Scene((Thing("square", "blue"),), "yellow")
    plain = octets(scene, 512, 512)
    moved = judge.outline(plain.roll(8, dims=1), scene)
    assert moved.off == pytest.approx(8 / 512 / 2, rel=0.3)  # two of its four sides
    assert abs(moved.longer) < 0.015
    noise = torch.randn((1, 1, 64, 64), generator=torch.Generator().manual_seed(1)) * 3
    rows = (torch.arange(512)[:, None] + functional.interpolate(noise, (512, 512), mode="bicubic")[0, 0]).long()
    ragged = judge.outline(plain[rows.clamp(0, 511), torch.arange(512)], scene)
    assert ragged.off > 0.001
    assert ragged.longer > 0.03
