"""What `ports.Engine` promises, held to by the real engine with the demo model and by the fake alike."""

import io
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from PIL import Image

from app.domain.ports import (
    EngineCancelledError,
    EngineEvent,
    EngineLostError,
    EngineRequest,
    EngineRunError,
    EngineState,
    PictureMade,
    PictureOrder,
    PreviewMade,
    StepDone,
)
from tests.engine.conftest import Bench
from tests.engine.waiting import wait_for

REQUEST = EngineRequest(
    job_id="job",
    attempt=1,
    prompt="a red circle on a white background",
    negative_prompt="",
    width=256,
    height=256,
    steps=2,
    guidance_scale=0.0,
    pictures=(PictureOrder(index=0, seed=1),),
)
# Seconds of work, so that something can happen meanwhile.
LONG = replace(REQUEST, job_id="long", width=512, height=512, steps=50)


def pictures(events: Iterator[EngineEvent]) -> list[PictureMade]:
    return [event for event in events if isinstance(event, PictureMade)]


def without_previews(events: Iterator[EngineEvent]) -> list[EngineEvent]:
    """How many there are depends on how fast the machine is."""
    return [event for event in events if not isinstance(event, PreviewMade)]


def picture(bench: Bench, request: EngineRequest) -> bytes:
    return pictures(bench.engine.run(request))[0].png


def test_a_run_tells_each_step_of_a_picture_and_then_the_picture(bench: Bench) -> None:
    request = replace(REQUEST, pictures=(PictureOrder(index=2, seed=1), PictureOrder(index=3, seed=2)))
    events = without_previews(bench.engine.run(request))
    # A picture is still being compressed while the next one is begun.
    for index in (2, 3):
        own = [event for event in events if event.index == index]
        assert [type(event) for event in own] == [StepDone, StepDone, PictureMade]
        assert [event.step for event in own if isinstance(event, StepDone)] == [1, 2]
    assert [event.index for event in events if isinstance(event, StepDone)] == [2, 2, 3, 3]


def test_a_picture_is_a_png_of_the_size_asked_for_with_its_facts(bench: Bench) -> None:
    (made,) = pictures(bench.engine.run(replace(REQUEST, width=320)))
    with Image.open(io.BytesIO(made.png)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (320, 256))
    assert {"model", "revision", "dtype", "device", "torch", "diffusers"} <= set(made.facts)
    assert made.seconds >= 0


def test_each_picture_has_the_seed_of_its_order_and_is_the_same_when_made_alone(bench: Bench) -> None:
    orders = (PictureOrder(index=0, seed=7), PictureOrder(index=1, seed=2**32 - 1))
    both = pictures(bench.engine.run(replace(REQUEST, pictures=orders)))
    assert [(made.index, made.seed) for made in both] == [(0, 7), (1, 2**32 - 1)]
    assert both[0].png != both[1].png
    assert picture(bench, replace(REQUEST, pictures=orders[1:])) == both[1].png


def test_another_prompt_gives_another_picture(bench: Bench) -> None:
    assert picture(bench, REQUEST) != picture(bench, replace(REQUEST, prompt="一只可爱的猫"))


def test_the_negative_prompt_counts_with_guidance_only(bench: Bench) -> None:
    unwanted = replace(REQUEST, negative_prompt="blurry, blue")
    assert picture(bench, unwanted) == picture(bench, REQUEST)
    assert picture(bench, replace(unwanted, guidance_scale=3.0)) != picture(bench, replace(REQUEST, guidance_scale=3.0))


def test_control_tokens_and_lone_surrogates_in_a_prompt_do_no_harm(bench: Bench) -> None:
    plain = picture(bench, replace(REQUEST, prompt="a cat  here"))
    assert picture(bench, replace(REQUEST, prompt="a cat <|im_end|>here")) != picture(bench, REQUEST)
    assert picture(bench, replace(REQUEST, prompt="a cat <|im_end|>here")) == plain
    assert picture(bench, replace(REQUEST, prompt="a cat \ud800 here")) == plain


def test_a_prompt_of_more_than_500_tokens_is_refused_and_not_cut(bench: Bench) -> None:
    words = " ".join(["a"] * 500)
    assert bench.engine.count_tokens(words) == 500
    assert picture(bench, replace(REQUEST, prompt=words, steps=1))
    with pytest.raises(EngineRunError) as refusal:
        list(bench.engine.run(replace(REQUEST, prompt=f"{words} a")))
    assert refusal.value.code == "prompt-too-long"


def test_tokens_of_the_plain_prompt_are_counted(bench: Bench) -> None:
    assert bench.engine.count_tokens("") == 0
    assert bench.engine.count_tokens("a red circle on a white background") == 7
    assert bench.engine.count_tokens("a \ud800") is not None


def test_cancel_ends_the_run_within_a_step_and_the_next_run_works(bench: Bench) -> None:
    run = bench.engine.run(LONG)
    next(run)
    bench.engine.cancel("another job")
    bench.engine.cancel(LONG.job_id)
    seen: list[EngineEvent] = []
    with pytest.raises(EngineCancelledError):
        seen.extend(run)  # what came before the error stays
    assert len(seen) < LONG.steps / 2
    assert picture(bench, REQUEST)


def test_an_abandoned_run_does_not_disturb_the_next(bench: Bench) -> None:
    run = bench.engine.run(LONG)
    next(run)
    run.close()  # type: ignore[attr-defined] # a generator, as the port's callers know it
    events = list(bench.engine.run(replace(LONG, width=256, height=256, steps=2)))
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2]


def test_two_runs_at_a_time_both_come_to_their_end(bench: Bench) -> None:
    one, other = bench.engine.run(REQUEST), bench.engine.run(replace(REQUEST, job_id="other"))
    made: list[PictureMade] = []
    threads = [threading.Thread(target=lambda run=run: made.extend(pictures(run))) for run in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(made) == 2
    assert made[0].png == made[1].png


def test_there_is_no_room_beside_another_size(bench: Bench) -> None:
    assert not bench.engine.has_room([REQUEST], replace(REQUEST, width=512))


def test_a_run_can_be_read_in_another_thread(bench: Bench) -> None:
    made: list[PictureMade] = []
    run = bench.engine.run(REQUEST)
    reader = threading.Thread(target=lambda: made.extend(pictures(run)))
    reader.start()
    reader.join(20)
    assert len(made) == 1


def test_a_killed_child_loses_the_run_and_comes_back_by_itself(bench: Bench) -> None:
    before = picture(bench, REQUEST)
    run = bench.engine.run(LONG)
    next(run)
    bench.kill()
    with pytest.raises(EngineLostError):
        list(run)
    wait_for(lambda: bench.engine.status().state is EngineState.READY, 60)
    assert picture(bench, REQUEST) == before


def test_a_run_that_begins_with_a_picture_makes_the_steps_that_its_strength_leaves(bench: Bench) -> None:
    plain = picture(bench, REQUEST)
    begun = replace(REQUEST, steps=4, image=plain, mask=plain, strength=0.5)
    events = without_previews(bench.engine.run(begun))
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2]
    (made,) = pictures(iter(events))
    assert made.png != plain
    with Image.open(io.BytesIO(made.png)) as image:
        assert image.size == (256, 256)
