"""Pictures that begin with another one: the plain pipelines' to the last bit, whatever kind of file comes in."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from app.domain.editing import denoising_steps
from app.domain.ports import EngineRequest, EngineRunError, PictureOrder, StepDone
from app.engine import wire
from app.engine.core import denoising, editing
from app.engine.core.darkroom import Darkroom
from app.engine.core.devices import pick_device
from app.engine.core.loader import load_pipeline
from app.engine.core.untyped import ZImagePipeline
from tests.engine.core.painting import Easel, octets_of, pictures_of
from tests.engine.test_contract import REQUEST

Make = Callable[[EngineRequest], bytes]
UNTYPED: Any = diffusers


def encoded(image: Image.Image, kind: str = "PNG", exif: Image.Exif | None = None) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, lossless=True, **({} if exif is None else {"exif": exif}))
    return file.getvalue()


def scenery(width: int, height: int) -> Image.Image:
    """Nothing is the same on both sides, or above and below."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across / 2], axis=2).astype(np.uint8))


def left_half(width: int, height: int) -> Image.Image:
    mask = Image.new("L", (width, height))
    mask.paste(255, (0, 0, width // 2, height))
    return mask


IMAGE = scenery(320, 256)
MASK = left_half(320, 256)
EDIT = replace(REQUEST, width=320, height=256, steps=3, image=encoded(IMAGE), strength=0.6)


@pytest.fixture(scope="module")
def plain(demo: Path) -> ZImagePipeline:
    return load_pipeline(demo, pick_device("cpu"))


@pytest.mark.parametrize(("strength", "dtype"), [(0.6, torch.float32), (1.0, torch.float32), (0.3, torch.bfloat16)])
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_the_latents_are_the_plain_pipelines_bit_by_bit(
    demo: Path, mask: Image.Image | None, strength: float, dtype: torch.dtype
) -> None:
    pipeline = load_pipeline(demo, pick_device("cpu")).to(dtype=dtype)
    torch.manual_seed(5)
    wanted, unwanted = (torch.randn(n, pipeline.transformer.config.cap_feat_dim, dtype=dtype) for n in (20, 40))
    request = replace(EDIT, strength=strength, mask=None if mask is None else encoded(mask))
    sigmas, times = denoising.schedule(pipeline.scheduler, request.steps)
    skipped = request.steps - request.denoising_steps
    with torch.inference_mode():
        original = editing.read(request)
        first, kept = original.begin(Darkroom(pipeline.vae, 2**30), sigmas[skipped], 9, torch.device("cpu"), dtype)
        sketch = denoising.Sketch(first, sigmas[skipped:], times[skipped:], wanted, unwanted, guidance=1.5, kept=kept)
        while not sketch.is_done:
            denoising.advance(pipeline.transformer, [sketch])
    kind = UNTYPED.ZImageImg2ImgPipeline if mask is None else UNTYPED.ZImageInpaintPipeline
    masked = {} if mask is None else {"mask_image": mask}
    theirs = kind(**pipeline.components)(
        image=IMAGE,
        **masked,
        strength=strength,
        prompt_embeds=[wanted],
        negative_prompt_embeds=[unwanted],
        height=256,
        width=320,
        num_inference_steps=request.steps,
        guidance_scale=1.5,
        generator=torch.Generator("cpu").manual_seed(9),
        output_type="latent",
    ).images[0]
    assert torch.equal(sketch.latents, theirs)
    assert sketch.clean is not None
    assert torch.allclose(sketch.clean, theirs.float(), atol=1e-4 if dtype is torch.float32 else 0.1)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_the_picture_is_the_plain_pipelines_to_the_last_rounding(
    make: Make, plain: ZImagePipeline, mask: Image.Image | None
) -> None:
    kind = UNTYPED.ZImageImg2ImgPipeline if mask is None else UNTYPED.ZImageInpaintPipeline
    pipeline = kind(**plain.components)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt=EDIT.prompt,
        image=IMAGE,
        **({} if mask is None else {"mask_image": mask}),
        strength=0.6,
        num_inference_steps=3,
        guidance_scale=0.0,
        generator=torch.Generator("cpu").manual_seed(1),
    ).images[0]
    ours = octets_of(make(replace(EDIT, mask=None if mask is None else encoded(mask)))).astype(int)
    assert np.abs(ours - np.asarray(theirs)).max() <= 1


@pytest.mark.parametrize(
    ("steps", "strength", "made"), [(8, 0.6, 5), (8, 0.3, 3), (8, 0.05, 1), (8, 1.0, 8), (1, 0.01, 1), (50, 0.01, 1)]
)
def test_strength_leaves_out_the_first_steps(steps: int, strength: float, made: int) -> None:
    assert denoising_steps(steps, strength) == made


def test_only_steps_that_are_made_are_told(easel: Easel) -> None:
    easel.order(replace(EDIT, steps=8, strength=0.3))
    said = easel.finish(1)
    events = [message.event for message in said if isinstance(message, wire.Happened)]
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2, 3]


def test_pictures_of_one_run_differ_and_share_steps_with_others_of_their_size(pipeline: ZImagePipeline) -> None:
    crowd = Easel(pipeline, most=4)
    crowd.order(replace(EDIT, pictures=(PictureOrder(index=0, seed=1), PictureOrder(index=1, seed=2))))
    crowd.order(replace(REQUEST, width=320, height=256, steps=3))
    said = crowd.finish(2)
    first, second, other = pictures_of(said)
    assert first.png != second.png != other.png
    steps = [each.event for each in said if isinstance(each, wire.Happened) and isinstance(each.event, StepDone)]
    assert max(step.shared for step in steps) == 3


def rotated(image: Image.Image) -> bytes:
    """As a telephone stores it: lying on its side, with a note."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image.transpose(Image.Transpose.ROTATE_90), exif=exif)


@pytest.mark.parametrize(
    "content",
    [
        encoded(IMAGE.convert("RGBA")),
        encoded(IMAGE, "WEBP"),
        rotated(IMAGE),
    ],
    ids=["alpha", "webp", "turned"],
)
def test_whatever_kind_of_file_it_is_it_is_the_same_original(content: bytes) -> None:
    assert torch.equal(editing.read(replace(EDIT, image=content)).pixels, editing.read(EDIT).pixels)


@pytest.mark.parametrize("kind", ["L", "P", "1", "LA", "I;16", "CMYK"])
def test_other_kinds_of_colours_are_read_as_well(kind: str) -> None:
    image = IMAGE.convert("L").convert(kind) if kind == "I;16" else IMAGE.convert(kind)
    content = encoded(image, "JPEG" if kind == "CMYK" else "PNG")
    assert editing.read(replace(EDIT, image=content)).pixels.shape == (1, 3, 256, 320)


def test_an_original_of_another_size_is_scaled_and_cut_in_the_middle_and_the_mask_with_it() -> None:
    wide = scenery(1280, 512)
    mask = Image.new("L", (640, 256))
    mask.paste(255, (320, 0, 640, 256))  # the right half
    read = editing.read(replace(EDIT, width=256, image=encoded(wide), mask=encoded(mask)))
    assert read.pixels.shape == (1, 3, 256, 256)
    left, right = read.pixels[0, 0, 128, 0], read.pixels[0, 0, 128, -1]
    assert (float(left), float(right)) == pytest.approx((-0.4, 0.4), abs=0.02)
    assert read.mask is not None
    assert read.mask[0, 0].mean(dim=0).tolist() == [0.0] * 16 + [1.0] * 16


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", encoded(IMAGE)[:500]])
def test_an_original_that_cannot_be_read_fails_the_run_alone(make: Make, content: bytes) -> None:
    with pytest.raises(EngineRunError) as failure:
        make(replace(EDIT, image=content))
    assert failure.value.code == "unreadable-image"
    assert make(REQUEST)
