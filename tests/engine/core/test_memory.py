"""Too little memory, injected: less is asked for, somebody is told, and the queue goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch

from app.domain.ports import EngineRequest, EngineRunError, PictureOrder
from app.engine import wire
from app.engine.core import levers, memory
from app.engine.core.darkroom import Darkroom
from app.engine.core.devices import pick_device
from app.engine.core.loader import load_pipeline
from app.engine.core.placement import Stage
from app.engine.core.untyped import ZImagePipeline
from tests.engine.core.painting import Easel, octets_of, pictures_of
from tests.engine.test_contract import REQUEST

Make = Callable[[EngineRequest], bytes]
TWO = replace(REQUEST, pictures=(PictureOrder(index=0, seed=1), PictureOrder(index=1, seed=2)))


@contextmanager
def lacking(part: torch.nn.Module, times: int, method: str = "forward") -> Iterator[list[int]]:
    """So many calls find too little memory; the list counts all calls."""
    calls: list[int] = []
    plain = getattr(part, method)

    def short(*arguments: object, **options: object) -> object:
        calls.append(len(calls))
        if len(calls) <= times:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part, method, short)
        yield calls


def test_a_picture_that_lacked_memory_once_is_made_all_the_same(pipeline: ZImagePipeline, make: Make) -> None:
    expected = make(REQUEST)
    with lacking(pipeline.transformer, 1) as calls:
        assert make(REQUEST) == expected
    assert len(calls) == REQUEST.steps + 1


def test_a_picture_that_never_fits_fails_after_one_more_try_and_the_next_one_works(
    pipeline: ZImagePipeline, make: Make
) -> None:
    with lacking(pipeline.transformer, 99) as calls, pytest.raises(EngineRunError) as failure:
        make(REQUEST)
    assert failure.value.code == "out-of-memory"
    assert len(calls) == 2
    assert make(REQUEST)


def test_a_text_that_lacked_memory_is_read_again(pipeline: ZImagePipeline, make: Make) -> None:
    with lacking(pipeline.text_encoder, 1):
        assert make(replace(REQUEST, prompt="never read before"))


def test_after_a_shared_step_that_did_not_fit_fewer_share(pipeline: ZImagePipeline) -> None:
    easel = Easel(pipeline, most=2)
    easel.order(TWO)
    with lacking(pipeline.transformer, 1):
        said = easel.finish(1)
    assert len(pictures_of(said)) == 2
    (ready,) = [message for message in said if isinstance(message, wire.Ready)]
    assert (ready.most, ready.notice, ready.params) == (1, "engine.memory-shared", {"most": 1})


def test_a_picture_that_cannot_be_decoded_whole_is_decoded_in_tiles(pipeline: ZImagePipeline, make: Make) -> None:
    wide = replace(REQUEST, width=640, height=256, steps=1)
    expected = octets_of(make(wide)).astype(int)
    easel = Easel(pipeline)
    with lacking(pipeline.vae, 1, "decode") as calls:
        easel.order(wide)
        (made,) = pictures_of(easel.finish(1))
    assert len(calls) == 2
    assert made.facts["decoded"] == "in tiles"
    # Tiles know less of their surroundings; they meet without a seam that anybody sees.
    assert np.abs(octets_of(made.png).astype(int) - expected).mean() < 2
    easel.order(wide)
    (again,) = pictures_of(easel.finish(1))
    assert again.png == made.png, "what did not fit once is not tried again"
    easel.order(REQUEST)
    (small,) = pictures_of(easel.finish(1))
    assert "decoded" not in small.facts
    assert not pipeline.vae.use_tiling


class Gpu(Stage):
    """A stage that takes itself for a GPU; the numbers stay where they are."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__(torch.device("cpu"))
        self.calls = calls

    def take_turns(self, *parts: torch.nn.Module) -> None:
        self.calls.append("take turns")
        super().take_turns(*parts)


def test_on_a_gpu_the_parts_take_turns_before_a_picture_is_given_up(
    demo: Path, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    pipeline = load_pipeline(demo, pick_device("cpu"))
    calls: list[str] = []
    tuned = levers.plain(pipeline)
    tuned.stage = Gpu(calls)
    easel = Easel(pipeline, tuned=tuned)
    monkeypatch.setattr("app.engine.core.thrift.frees_nothing", lambda _: False)
    easel.order(REQUEST)
    with lacking(pipeline.transformer, 2):
        said = easel.finish(1)
    assert calls == ["take turns"]
    assert pictures_of(said)[0].png == make(REQUEST)
    (ready,) = [message for message in said if isinstance(message, wire.Ready)]
    assert ready.notice == "engine.memory-turns"


def test_a_large_picture_that_never_fits_lowers_the_largest_side(pipeline: ZImagePipeline) -> None:
    easel = Easel(pipeline)
    easel.order(replace(REQUEST, width=1024, height=768))
    with lacking(pipeline.transformer, 99):
        said = easel.finish(1)
    (ready,) = [message for message in said if isinstance(message, wire.Ready)]
    assert (ready.largest_side, ready.notice) == (880, "engine.memory-size")
    assert isinstance(said[-1], wire.RunFailed)


def test_a_preview_that_does_not_fit_is_left_out(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object) -> NoReturn:
        raise torch.OutOfMemoryError("CUDA out of memory")

    expected = make(REQUEST)
    monkeypatch.setattr("app.engine.core.easel.PREVIEW_SECONDS", 0.0)
    monkeypatch.setattr("app.engine.core.decoding.Previewer.small", short)
    assert make(REQUEST) == expected


def test_an_original_that_does_not_fit_in_one_piece_is_seen_in_tiles(pipeline: ZImagePipeline) -> None:
    darkroom = Darkroom(pipeline.vae, 2**30)
    pixels = torch.rand(1, 3, 640, 640) * 2 - 1
    with torch.inference_mode():
        whole = darkroom.expose(pixels).mean
        with lacking(pipeline.vae.encoder, 1) as calls:
            tiled = darkroom.expose(pixels).mean
    assert len(calls) == 1 + 4
    assert tiled.shape == whole.shape
    assert (tiled - whole).abs().mean() < 0.1 * whole.std()


@pytest.mark.parametrize(
    ("error", "is_lack"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (torch.AcceleratorError("CUDA error: out of memory"), True),
        (RuntimeError("GET was unable to find an engine to execute this computation"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_every_way_to_lack_memory_is_known(error: Exception, *, is_lack: bool) -> None:
    assert memory.is_exhausted(error) == is_lack
