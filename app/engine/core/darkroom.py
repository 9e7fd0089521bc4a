"""Finished latents become pictures, and pictures latents: whole where memory suffices, else in tiles that overlap."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, TypeVar

from torch import Tensor

from app.engine.core import memory
from app.engine.core.decoding import Developed, decode
from app.engine.core.denoising import SIDE
from app.engine.core.untyped import Autoencoder, Posterior

log = logging.getLogger(__name__)
Made = TypeVar("Made")

TILE: Final = 512  # pixels of a side
OVERLAP: Final = 0.25


class Darkroom:
    """`tiled_above` so many pixels the autoencoder works in tiles, which may show where they meet. It falls to what did
    not fit."""

    def __init__(self, vae: Autoencoder, tiled_above: int) -> None:
        self._vae, self.config = vae, vae.config
        self.tiled_above = tiled_above

    def develop(self, latents: Tensor) -> Developed:
        """The picture of finished latents. Raises torch.OutOfMemoryError if it does not even fit in tiles."""
        pixels = latents.shape[-1] * latents.shape[-2] * SIDE * SIDE
        developed, tiled = self._whole_or_tiled(pixels, lambda: decode(self._vae, latents))
        return replace(developed, tiled=tiled)

    def expose(self, pixels: Tensor) -> Posterior:
        """What the autoencoder makes of pixels [1, 3, height, width]. Raises as `develop`."""
        many = pixels.shape[-1] * pixels.shape[-2]
        there = pixels.to(self._vae.device, self._vae.dtype)
        return self._whole_or_tiled(many, lambda: self._vae.encode(there).latent_dist)[0]

    def _whole_or_tiled(self, pixels: int, work: Callable[[], Made]) -> tuple[Made, bool]:
        if pixels <= self.tiled_above:
            try:
                return work(), False
            except Exception as error:
                if not memory.is_exhausted(error):
                    raise
            # Only here the traceback, and with it every tensor of the failed attempt, is gone.
            memory.free()
            self.tiled_above = pixels - 1
            log.warning(
                "Pictures of %d pixels and more do not fit into memory in one piece: in tiles from now on", pixels
            )
        with self._in_tiles():
            return work(), True

    @contextlib.contextmanager
    def _in_tiles(self) -> Iterator[None]:
        """The library's own tile may be as large as the picture."""
        vae = self._vae
        vae.use_tiling = True
        vae.tile_sample_min_size, vae.tile_latent_min_size = TILE, TILE // SIDE
        vae.tile_overlap_factor = OVERLAP
        try:
            yield
        finally:
            vae.use_tiling = False
