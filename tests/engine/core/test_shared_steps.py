"""Pictures of several people in one step: as if made alone, and nobody pays for a neighbour."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from app.domain.ports import EngineRequest, PictureMade, PictureOrder
from app.engine import wire
from app.engine.core import denoising
from app.engine.core.untyped import ZImagePipeline, ZImageTransformer
from tests.engine.core.painting import Easel, octets_of
from tests.engine.test_contract import REQUEST

Make = Callable[[EngineRequest], bytes]


def by_run(said: list[wire.FromChild]) -> dict[int, list[PictureMade]]:
    made: dict[int, list[PictureMade]] = {}
    for message in said:
        if isinstance(message, wire.Happened) and isinstance(message.event, PictureMade):
            made.setdefault(message.run_id, []).append(message.event)
    return made


@pytest.fixture
def crowd(pipeline: ZImagePipeline) -> Easel:
    """A painter that takes four pictures at once, as on a GPU."""
    return Easel(pipeline, most=4)


FOUR = replace(REQUEST, pictures=tuple(PictureOrder(index=index, seed=index) for index in range(4)), steps=3)
OTHER = replace(REQUEST, job_id="other", prompt="一个蓝色的圆形", steps=4)


@contextlib.contextmanager
def shared_steps(easel: Easel) -> Iterator[list[int]]:
    """How many pictures each of the transformer's calls moves on."""
    sizes: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        plain = denoising.advance

        def counted(transformer: ZImageTransformer, sketches: Sequence[denoising.Sketch]) -> None:
            sizes.append(len(sketches))
            plain(transformer, sketches)

        patch.setattr(easel.painter, "_advance", counted)
        yield sizes


def test_pictures_of_several_people_share_steps_and_look_as_if_made_alone(crowd: Easel, make: Make) -> None:
    alone = [octets_of(make(replace(FOUR, pictures=(order,)))) for order in FOUR.pictures[:3]]
    other = octets_of(make(OTHER))
    with shared_steps(crowd) as sizes:
        first = crowd.order(replace(FOUR, pictures=FOUR.pictures[:3]))
        second = crowd.order(OTHER)
        made = by_run(crowd.finish(2))
    assert sizes == [4, 4, 4, 1]
    pictures = [octets_of(picture.png) for picture in sorted(made[first], key=lambda picture: picture.index)]
    for ours, theirs in zip([*pictures, octets_of(made[second][0].png)], [*alone, other], strict=True):
        assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_one_who_comes_later_joins_between_two_steps_and_leaves_when_done(crowd: Easel, make: Make) -> None:
    late = replace(OTHER, steps=2)
    alone = octets_of(make(late))
    with shared_steps(crowd) as sizes:
        crowd.order(replace(FOUR, pictures=FOUR.pictures[:1], steps=5))
        crowd.painter.advance(lambda _: False)
        joined = crowd.order(late)
        made = by_run(crowd.finish(2))
    assert sizes == [1, 2, 2, 1, 1]
    assert np.abs(octets_of(made[joined][0].png).astype(int) - alone).max() <= 1


def test_an_exact_picture_is_made_alone_and_the_same_to_the_last_bit(crowd: Easel, make: Make) -> None:
    exact = replace(OTHER, exact=True)
    with shared_steps(crowd) as sizes:
        crowd.order(FOUR)
        run = crowd.order(exact)
        crowd.order(replace(FOUR, job_id="third"))
        made = by_run(crowd.finish(3))
    assert sizes == [4] * 3 + [1] * 4 + [4] * 3
    assert np.array_equal(octets_of(made[run][0].png), octets_of(make(exact)))


def test_who_is_cancelled_leaves_the_others_at_work(crowd: Easel) -> None:
    stays = crowd.order(replace(FOUR, pictures=FOUR.pictures[:2]))
    leaves = crowd.order(OTHER)
    said = crowd.finish(2, cancelled={leaves})
    assert wire.RunCancelled(leaves) in said
    assert wire.RunDone(stays) in said
    assert {run: len(made) for run, made in by_run(said).items()} == {stays: 2}


def test_one_who_breaks_a_shared_step_harms_nobody_else(crowd: Easel, pipeline: ZImagePipeline, make: Make) -> None:
    good = [crowd.order(replace(OTHER, steps=3)), crowd.order(replace(OTHER, steps=3))]
    bad = crowd.order(replace(FOUR, pictures=FOUR.pictures[:1], prompt="a poison"))
    poison = crowd.painter.waiting[-1].wanted
    forward = pipeline.transformer.forward

    def fail_for_poison(latents: object, times: object, captions: list[torch.Tensor], **options: object) -> object:
        if any(torch.equal(caption, poison) for caption in captions):
            raise torch.OutOfMemoryError
        return forward(latents, times, captions, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.transformer, "forward", fail_for_poison)
        said = crowd.finish(3)
    assert wire.RunFailed(bad, "out-of-memory") in said
    made = by_run(said)
    alone = make(replace(OTHER, steps=3))
    assert [made[run][0].png for run in good] == [alone, alone]
