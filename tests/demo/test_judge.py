"""The judge tells right from wrong: what is drawn from a scene passes, and what is drawn from another does not."""

import random
from dataclasses import replace

import pytest
from torch import Tensor

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
