"""One request through the true pipeline classes, in this process."""

import io
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import NoReturn

import numpy as np
import pytest
import torch
from PIL import Image

from app.domain.ports import EngineRequest, EngineRunError, PreviewMade
from app.engine import wire
from app.engine.core import denoising
from app.engine.core import easel as easel_module
from app.engine.core.devices import pick_device
from app.engine.core.facts import facts_of
from app.engine.core.failures import LoadError
from app.engine.core.loader import load_pipeline
from app.engine.core.untyped import ZImagePipeline
from app.engine.prompts import TokenCounter
from app.storage.thumbnails import thumbnail
from tests.engine.core.painting import Easel, octets_of, pictures_of
from tests.engine.test_contract import REQUEST


@pytest.fixture
def broken_weights(pipeline: ZImagePipeline) -> Iterator[None]:
    weight = pipeline.transformer.all_final_layer["2-1"].linear.bias
    kept = weight.detach().clone()
    weight.data.fill_(torch.nan)
    yield
    weight.data.copy_(kept)


Make = Callable[[EngineRequest], bytes]


@pytest.fixture(scope="module")
def plain(demo: Path) -> ZImagePipeline:
    """The same model in the library's own hands; a painter trims its text encoder."""
    return load_pipeline(demo, pick_device("cpu"))


@pytest.mark.parametrize("guidance", [0.0, 2.5])
def test_the_picture_is_the_plain_pipelines_to_the_last_rounding(
    make: Make, plain: ZImagePipeline, guidance: float
) -> None:
    request = replace(REQUEST, guidance_scale=guidance, negative_prompt="blue", width=320, steps=3)
    theirs = plain(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        height=256,
        width=320,
        num_inference_steps=3,
        guidance_scale=guidance,
        generator=torch.Generator("cpu").manual_seed(1),
    ).images[0]
    ours = octets_of(make(request)).astype(int)
    # Captions without padding differ in the eighth digit.
    assert np.abs(ours - np.asarray(theirs)).max() <= 1


def test_with_the_same_captions_the_latents_are_the_plain_pipelines_bit_by_bit(plain: ZImagePipeline) -> None:
    torch.manual_seed(5)
    wanted, unwanted = (torch.randn(tokens, plain.transformer.config.cap_feat_dim) for tokens in (20, 40))
    sigmas, times = denoising.schedule(plain.scheduler, 4)
    noise = denoising.noise(16, 256, 384, 9)
    sketch = denoising.Sketch(noise, sigmas, times, wanted, unwanted, guidance=1.5)
    with torch.inference_mode():
        while not sketch.is_done:
            denoising.advance(plain.transformer, [sketch])
    theirs = plain(
        prompt_embeds=[wanted],
        negative_prompt_embeds=[unwanted],
        height=256,
        width=384,
        num_inference_steps=4,
        guidance_scale=1.5,
        latents=noise[None],
        output_type="latent",
    ).images[0]
    assert torch.equal(sketch.latents, theirs)
    assert sketch.clean is not None
    assert torch.allclose(sketch.clean, theirs, atol=1e-5)


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
    pipeline: ZImagePipeline,
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
def test_the_parent_counts_tokens_as_the_pipeline_does(pipeline: ZImagePipeline, demo: Path, prompt: str) -> None:
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


def test_a_run_without_pictures_is_done_at_once(easel: Easel) -> None:
    run = easel.order(replace(REQUEST, pictures=()))
    assert easel.finish(1) == [wire.RunDone(run)]


def test_previews_are_small_webps_and_grow_like_the_picture(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.core.easel.PREVIEW_SECONDS", 0.0)
    easel.order(replace(REQUEST, width=512, height=256, steps=4))
    said = easel.finish(1)
    events = [message.event for message in said if isinstance(message, wire.Happened)]
    previews = [event for event in events if isinstance(event, PreviewMade)]
    assert sorted(preview.step for preview in previews) == [1, 2, 3]
    for preview in previews:
        with Image.open(io.BytesIO(preview.webp)) as image:
            assert (image.format, image.size) == ("WEBP", (256, 128))


def test_the_thumbnail_comes_beside_the_picture_and_is_the_one_that_storage_would_make(easel: Easel) -> None:
    easel.order(replace(REQUEST, width=768, height=512, steps=1))
    (made,) = pictures_of(easel.finish(1))
    assert made.thumbnail == thumbnail(made.png)
    with Image.open(io.BytesIO(made.thumbnail)) as small:
        assert (small.format, small.size) == ("WEBP", (512, 341))


def test_no_preview_comes_sooner_than_the_pause_between_two(easel: Easel) -> None:
    easel.order(replace(REQUEST, steps=4))
    begun = time.monotonic()
    said = easel.finish(1)
    events = [message.event for message in said if isinstance(message, wire.Happened)]
    previews = [event for event in events if isinstance(event, PreviewMade)]
    assert len(previews) <= (time.monotonic() - begun) / easel_module.PREVIEW_SECONDS


def test_a_device_that_is_lost_while_a_picture_is_finished_ends_the_process(
    pipeline: ZImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> NoReturn:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    easel, lost = Easel(pipeline), SimpleQueue[BaseException]()
    easel.painter.when_lost = lost.put
    monkeypatch.setattr("app.engine.core.decoding.Developed.image", fail)
    run = easel.order(REQUEST)
    while not easel.painter.is_idle:
        easel.painter.advance(lambda _: False)
    assert isinstance(lost.get(timeout=20), torch.AcceleratorError)
    assert all(isinstance(easel.said.get(), wire.Happened) for _ in range(easel.said.qsize())), run
