"""From latents to what people see: the full picture, and a rough one while it is being made."""

import io
import zlib
from dataclasses import dataclass
from typing import Final

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from app.domain.ports import EngineRunError
from app.domain.thumbnails import FORMAT, LONGEST_SIDE, METHOD, QUALITY, REDUCING_GAP
from app.engine.core.denoising import SIDE
from app.engine.core.hostcopy import HostCopy
from app.engine.core.untyped import Autoencoder

# Anything slower costs more time than the picture's last step. Photographs hardly repeat themselves: looking for runs
# alone is a tenth faster than the first level's search, and finds them better: a tenth smaller, too.
PNG_LEVEL: Final = 1
PNG_STRATEGY: Final = zlib.Z_RLE
PREVIEW_SIDE: Final = 256
PREVIEW_QUALITY: Final = 60
FIT_SIDE: Final = 128
FIT_PICTURES: Final = 12
FIT_SEED: Final = 11


@dataclass(frozen=True, slots=True)
class Developed:
    """A picture [height, width, 3] of octets, whether all its numbers were numbers, and whether it came in tiles."""

    octets: HostCopy
    finite: HostCopy
    tiled: bool = False

    def image(self) -> Image.Image:
        """The picture in the computer's own memory; waits for the device.

        Raises EngineRunError `invalid-pixels`: what is no number would come out black.
        """
        octets = self.octets.ready()
        if not bool(self.finite.ready()):
            raise EngineRunError("invalid-pixels")
        return Image.fromarray(octets.numpy())

    def png(self) -> bytes:
        """The picture as a PNG file. Raises as `image` does."""
        return png(self.image())


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=PNG_LEVEL, compress_type=PNG_STRATEGY)
    return file.getvalue()


def thumbnail(image: Image.Image) -> bytes:
    """As `app.storage` makes it of the PNG, byte by byte; the image shrinks."""
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    file = io.BytesIO()
    image.save(file, FORMAT, quality=QUALITY, method=METHOD)
    return file.getvalue()


def decode(vae: Autoencoder, latents: Tensor) -> Developed:
    """The picture of finished latents. One at a time: a batched decode rounds otherwise."""
    config = vae.config
    ready = latents[None].to(vae.dtype) / config.scaling_factor + config.shift_factor
    pixels = (vae.decode(ready, return_dict=False)[0][0] / 2 + 0.5).clamp(0, 1).float()
    return Developed(HostCopy(_octets(pixels)), HostCopy(torch.isfinite(pixels).all()))


def _octets(rgb: Tensor) -> Tensor:
    """Values 0..1 [3, height, width] as octets [height, width, 3], on the same device."""
    return rgb.mul(255).round().to(torch.uint8).permute(1, 2, 0).contiguous()


class Previewer:
    """Latents to RGB by one matrix: a least-squares fit to what this very autoencoder does with known pictures."""

    def __init__(self, vae: Autoencoder) -> None:
        self._scale, self._shift = vae.config.scaling_factor, vae.config.shift_factor
        self._matrix = self._fit(vae)

    def rgb(self, latents: Tensor) -> Tensor:
        """Values 0..1 [3, height / 8, width / 8] of latents [channels, height / 8, width / 8]."""
        flat = torch.einsum("chw,cr->rhw", latents.float(), self._matrix[:-1].to(latents.device))
        return (flat + self._matrix[-1].to(latents.device)[:, None, None]).clamp(0, 1)

    def small(self, latents: Tensor) -> HostCopy:
        """The octets of `rgb`, [height / 8, width / 8, 3]."""
        return HostCopy(_octets(self.rgb(latents)))

    def _fit(self, vae: Autoencoder) -> Tensor:
        """[channels + 1, 3]: the last row is what no latents mean."""
        pictures = _known_pictures().to(vae.device, vae.dtype)
        latents = (vae.encode(pictures).latent_dist.mode().float() - self._shift) * self._scale
        seen = functional.avg_pool2d(pictures.float() / 2 + 0.5, SIDE)
        rows = latents.permute(0, 2, 3, 1).flatten(0, 2).cpu()
        rows = torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
        matrix: Tensor = torch.linalg.lstsq(rows, seen.permute(0, 2, 3, 1).flatten(0, 2).cpu()).solution
        return matrix


def webp(small: Tensor) -> bytes:
    """What `Previewer.small` made, enlarged to at most PREVIEW_SIDE pixels a side."""
    image = Image.fromarray(small.numpy())
    factor = min(SIDE, PREVIEW_SIDE / max(image.size))
    image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=PREVIEW_QUALITY, method=0)
    return file.getvalue()


def _known_pictures() -> Tensor:
    """Soft fields and hard blocks of random colours, [FIT_PICTURES, 3, FIT_SIDE, FIT_SIDE] in -1..1."""
    generator = torch.Generator().manual_seed(FIT_SEED)
    colours = torch.rand((FIT_PICTURES, 3, 4, 4), generator=generator) * 2 - 1
    half = FIT_PICTURES // 2
    size = (FIT_SIDE, FIT_SIDE)
    soft = functional.interpolate(colours[:half], size, mode="bilinear", align_corners=True)
    return torch.cat([soft, functional.interpolate(colours[half:], size, mode="nearest")])
