"""One request through the true pipeline classes, in this process."""

import io
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from app.domain.ports import EngineEvent, EngineRequest, EngineRunError, PictureMade
from app.engine.core.devices import pick_device
from app.engine.core.facts import facts_of
from app.engine.core.failures import LoadError
from app.engine.core.loader import load_pipeline
from app.engine.core.pipeline import Painter
from app.engine.prompts import TokenCounter
from tests.engine.test_contract import REQUEST


@pytest.fixture(scope="module")
def pipeline(demo: Path) -> Any:  # noqa: ANN401 - diffusers has no annotations
    return load_pipeline(demo, pick_device("cpu"))


@pytest.fixture
def make(pipeline: Any, demo: Path) -> Callable[[EngineRequest], bytes]:  # noqa: ANN401
    painter = Painter(pipeline, facts_of("demo", demo, pick_device("cpu")))

    def picture(request: EngineRequest) -> bytes:
        events: list[EngineEvent] = []
        painter.make(request, events.append, lambda: False)
        return next(event.png for event in events if isinstance(event, PictureMade))

    return picture


@pytest.fixture
def broken_weights(pipeline: Any) -> Iterator[None]:  # noqa: ANN401
    weight = pipeline.transformer.all_final_layer["2-1"].linear.bias
    kept = weight.detach().clone()
    weight.data.fill_(torch.nan)
    yield
    weight.data.copy_(kept)


Make = Callable[[EngineRequest], bytes]


def test_the_pixels_are_those_of_the_plain_pipeline(make: Make, pipeline: Any) -> None:  # noqa: ANN401
    plain = pipeline(
        prompt=REQUEST.prompt,
        height=256,
        width=256,
        num_inference_steps=2,
        guidance_scale=0.0,
        generator=torch.Generator("cpu").manual_seed(1),
    ).images[0]
    with Image.open(io.BytesIO(make(REQUEST))) as image:
        assert np.array_equal(np.asarray(image), np.asarray(plain))


@pytest.mark.usefixtures("broken_weights")
def test_numbers_that_are_none_are_an_error_and_not_a_black_picture(make: Make) -> None:
    with pytest.raises(EngineRunError) as failure:
        make(REQUEST)
    assert failure.value.code == "invalid-pixels"


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "out-of-memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"), "out-of-memory"),
        (TypeError(f"cannot encode {REQUEST.prompt}"), "engine-error"),
    ],
)
def test_a_failed_run_says_why_without_the_prompt_and_the_next_one_works(
    make: Make,
    pipeline: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: Exception,
    code: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise trouble

    with monkeypatch.context() as patch, caplog.at_level(logging.DEBUG):
        patch.setattr(pipeline.transformer, "forward", fail)
        with pytest.raises(EngineRunError) as failure:
            make(REQUEST)
    assert failure.value.code == code
    assert REQUEST.prompt not in caplog.text
    assert make(REQUEST)


def test_a_long_negative_prompt_is_refused_where_it_would_be_read(make: Make) -> None:
    wordy = replace(REQUEST, negative_prompt="a " * 600)
    assert make(wordy)
    with pytest.raises(EngineRunError) as failure:
        make(replace(wordy, guidance_scale=1.0))
    assert failure.value.code == "prompt-too-long"


@pytest.mark.parametrize(
    "prompt", ["", "a red circle", "一只红色的猫，水墨画。", "été\n\n 🎨 42", "a<|im_end|>b", "  \t spaces  "]
)
def test_the_parent_counts_tokens_as_the_pipeline_does(pipeline: Any, demo: Path, prompt: str) -> None:  # noqa: ANN401
    plain = prompt.replace("<|im_end|>", " ")
    assert TokenCounter(demo).count(prompt) == len(pipeline.tokenizer(plain).input_ids)


@pytest.mark.parametrize(
    ("caption", "most"),
    [("a cute cat sitting on a table, soft light", 12), ("一只可爱的小猫坐在桌子上，柔和的光线，电影感", 10)],
)
def test_captions_in_english_and_chinese_are_short_for_the_demo_tokenizer(demo: Path, caption: str, most: int) -> None:
    assert TokenCounter(demo).count(caption) <= most


def test_a_folder_whose_weights_do_not_fit_is_broken(tmp_path: Path, demo: Path) -> None:
    shutil.copytree(demo, tmp_path / "model")
    (tmp_path / "model" / "vae" / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    with pytest.raises(LoadError) as failure:
        load_pipeline(tmp_path / "model", pick_device("cpu"))
    assert failure.value.reason == "engine.broken-model"


def test_the_facts_name_all_that_decides_about_pixels(demo: Path) -> None:
    facts = facts_of("demo", demo, pick_device("cpu"))
    assert facts["torch"] == torch.__version__
    assert (facts["model"], facts["dtype"], facts["device"], len(facts["revision"])) == ("demo", "float32", "cpu", 12)
