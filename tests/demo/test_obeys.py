"""The demo model does what it is told, in both languages and at every size: a sample of what its card claims."""

import pytest

from app.engine.core.models import DEMO
from app.engine.core.untyped import ZImagePipeline
from app.messages import LANGUAGES, translate
from scripts.demo import judge, scoring
from scripts.demo.scenes import Scene, Thing

MAX_BYTES = 15_000_000


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("pictures", "height", "width", "off"),
    [(32, 256, 256, 0.0045), (16, 512, 320, 0.007), (12, 512, 512, 0.0038), (4, 1024, 1024, 0.01)],
)
def test_held_out_prompts_give_their_ground_their_colours_and_their_shapes(
    pipeline: ZImagePipeline, pictures: int, height: int, width: int, off: float
) -> None:
    score = scoring.score(pipeline, pictures, height, width)
    assert score.background >= 0.95
    assert score.colour >= 0.9
    assert score.shape >= 0.75
    assert score.off <= off
    assert abs(score.longer) <= 0.04


def test_it_fits_into_the_repository() -> None:
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) <= MAX_BYTES


SAID = [
    ("RED CIRCLE ON A WHITE BACKGROUND!!!", Scene((Thing("circle", "red"),), "white")),
    ("please draw a blue square, white background, masterpiece, 8k", Scene((Thing("square", "blue"),), "white")),
    ("黄色背景上的绿色三角形", Scene((Thing("triangle", "green"),), "yellow")),
    ("一个红色圆形和一个蓝色正方形,白色背景", Scene((Thing("circle", "red"), Thing("square", "blue")), "white")),
]


@pytest.mark.parametrize(("text", "scene"), SAID, ids=["capitals", "fillers", "Chinese", "two things"])
def test_capitals_fillers_chinese_and_two_things_are_understood(
    pipeline: ZImagePipeline, text: str, scene: Scene
) -> None:
    verdict = judge.judge(scoring.pictures(pipeline, [text], 256, 256)[0], scene)
    assert verdict == judge.Verdict(background=True, colour=True, shape=True)


OFFERED = [
    Scene((Thing("circle", "red"),), "white"),
    Scene((Thing("heart", "yellow"),), "blue", count=4),
    Scene((Thing("heart", "green", "large", "top left"),), "pink"),
    Scene((Thing("triangle", "orange"),), "black", count=2),
    Scene((Thing("square", "blue"), Thing("ring", "red")), "white"),
    Scene((Thing("cross", "cyan", "small", "bottom right"),), "yellow"),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("number", range(1, 7))
def test_what_the_page_offers_to_try_comes_out_right(pipeline: ZImagePipeline, language: str, number: int) -> None:
    text = translate(language, f"ui.demo-example.{number}")
    verdict = judge.judge(scoring.pictures(pipeline, [text], 512, 512)[0], OFFERED[number - 1])
    assert verdict == judge.Verdict(background=True, colour=True, shape=True)


@pytest.mark.parametrize("text", ["", "a castle and a dragon", "森林", "qwxz"])
def test_unknown_words_alone_give_the_neutral_picture(pipeline: ZImagePipeline, text: str) -> None:
    verdict = judge.judge(scoring.pictures(pipeline, [text], 256, 256)[0], Scene((Thing("circle", "gray"),), "white"))
    assert verdict == judge.Verdict(background=True, colour=True, shape=True)
