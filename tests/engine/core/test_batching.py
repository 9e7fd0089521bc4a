"""Who may share a step, and how many."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.ports import EngineRequest, PictureOrder
from app.engine.core.batching import Shape, choose, has_room, largest_batch

SMALL = Shape(width=512, height=512, caption=32, guided=0)


def chosen(waiting: list[Shape], present: list[Shape], most: int = 4) -> list[Shape]:
    return choose(waiting, present, lambda shape: shape, most)


@pytest.mark.parametrize(
    ("width", "height", "count"),
    [(256, 256, 4), (512, 512, 4), (528, 512, 2), (768, 768, 2), (784, 768, 1), (1024, 1024, 1), (2048, 2048, 1)],
)
def test_smaller_pictures_share_a_step_with_more(width: int, height: int, count: int) -> None:
    assert largest_batch(width, height, 4) == count
    assert largest_batch(width, height, 1) == 1


def test_the_first_in_line_decides_with_whom_a_step_is_shared() -> None:
    other = replace(SMALL, caption=64)
    assert chosen([SMALL, other, SMALL], []) == [SMALL, SMALL]
    assert chosen([other, SMALL, SMALL], []) == [other]


@pytest.mark.parametrize(
    "other",
    [
        replace(SMALL, width=256),
        replace(SMALL, height=256),
        replace(SMALL, caption=64),
        replace(SMALL, guided=32),
        replace(SMALL, alone="1-0"),
    ],
)
def test_nobody_joins_who_would_have_to_be_padded_or_wants_to_be_alone(other: Shape) -> None:
    assert chosen([other], [SMALL]) == []


def test_nobody_joins_past_one_that_cannot_so_it_waits_for_those_who_are_present_alone() -> None:
    other = replace(SMALL, caption=64)
    assert chosen([SMALL, other, SMALL], [SMALL]) == [SMALL]
    assert chosen([other, SMALL], [SMALL]) == []


def test_those_who_fit_join_while_there_is_room_in_the_order_of_waiting() -> None:
    assert chosen([SMALL] * 9, [SMALL]) == [SMALL] * 3
    assert chosen([SMALL] * 9, [SMALL] * 4) == []
    assert chosen([], [SMALL]) == []


def test_one_that_wants_to_be_alone_is_not_joined_even_by_its_like() -> None:
    alone = replace(SMALL, alone="7-1")
    assert chosen([alone, alone], []) == [alone]
    assert chosen([alone], [alone]) == []


REQUEST = EngineRequest(
    job_id="job",
    attempt=1,
    prompt="a red circle",
    negative_prompt="",
    width=512,
    height=512,
    steps=8,
    guidance_scale=0.0,
    pictures=(PictureOrder(index=0, seed=1), PictureOrder(index=1, seed=2)),
)


@pytest.mark.parametrize(
    ("other", "room"),
    [
        ({}, True),
        ({"steps": 2, "prompt": "another"}, True),
        ({"height": 256}, False),
        ({"guidance_scale": 3.0}, False),
        ({"exact": True}, False),
        ({"pictures": REQUEST.pictures * 2}, False),
    ],
)
def test_a_request_has_room_beside_its_like_until_the_step_is_full(other: dict[str, Any], room: bool) -> None:  # noqa: FBT001 - a parameter
    assert has_room([REQUEST], replace(REQUEST, **other), 4) is room
    assert has_room([replace(REQUEST, **other)], REQUEST, 4) is room
    assert not has_room([REQUEST], replace(REQUEST, **other), 3)
