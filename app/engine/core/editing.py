"""Pictures that begin with another one: the arithmetic of diffusers' img2img and inpaint pipelines, bit by bit."""

import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from app.domain.ports import EngineRequest, EngineRunError
from app.engine.core.darkroom import Darkroom
from app.engine.core.denoising import SIDE, Kept, noised
from app.engine.core.untyped import Posterior


@dataclass(slots=True)
class Original:
    """What a run begins with: `pixels` [1, 3, height, width] in -1..1; `mask` [1, 1, height / 8, width / 8], 1 where it
    may be painted over, None for everywhere. Its `posterior` once the autoencoder has seen it."""

    pixels: Tensor
    mask: Tensor | None
    posterior: Posterior = None

    def begin(
        self, darkroom: Darkroom, sigma: Tensor, seed: int, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Kept | None]:
        """The first latents [channels, height / 8, width / 8] at the noise level `sigma`, and what a mask keeps.

        One generator draws both what the autoencoder leaves open and the noise, as in the pipelines.
        """
        generator = torch.Generator("cpu").manual_seed(seed)
        if self.posterior is None:
            self.posterior = darkroom.expose(self.pixels)
        sample, config = self.posterior.sample(generator), darkroom.config
        original = ((sample - config.shift_factor) * config.scaling_factor).to(device, dtype)[0]
        noise = torch.randn((1, *original.shape), generator=generator, dtype=dtype)[0].to(device)
        begun = noised(original, noise, sigma).float()
        return begun, None if self.mask is None else Kept(original, noise, self.mask[0].to(device, dtype))


def read(request: EngineRequest) -> Original:
    """Decode and fit what the request brings. Raises EngineRunError `unreadable-image`; touches no device."""
    if request.image is None:
        raise ValueError("a request without an image")
    size = (request.width, request.height)
    try:
        with Image.open(io.BytesIO(request.image)) as file:
            image = _opaque(file, "white").convert("RGB")
        mask = None if request.mask is None else _mask(request.mask, image.size, size)
        return Original(_pixels(ImageOps.fit(image, size, Image.Resampling.LANCZOS)), mask)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise EngineRunError("unreadable-image") from error


def _opaque(file: Image.Image, ground: str) -> Image.Image:
    """Upright, on that ground where it is transparent: what is not in a mask is not to be painted over."""
    image = ImageOps.exif_transpose(file)
    if not image.has_transparency_data:
        return image
    over = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, ground), over)


def _pixels(image: Image.Image) -> Tensor:
    """In the order of the pipelines' own in memory, which decides how a convolution rounds."""
    values = torch.from_numpy(np.array(image, dtype=np.float32)[None]) / 255.0
    return 2.0 * values.permute(0, 3, 1, 2) - 1.0


def _mask(content: bytes, under: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """It lies over the whole original, whatever its own size, and is cut with it."""
    with Image.open(io.BytesIO(content)) as file:
        mask = _opaque(file, "black").convert("L")
    if mask.size != under:
        mask = mask.resize(under, Image.Resampling.LANCZOS)
    mask = ImageOps.fit(mask, size, Image.Resampling.LANCZOS)
    white = (torch.from_numpy(np.array(mask, dtype=np.float32)) / 255.0 >= 0.5).float()  # noqa: PLR2004 - half
    return functional.interpolate(white[None, None], size=(size[1] // SIDE, size[0] // SIDE), mode="nearest")
