"""Finished latents become pictures: whole where memory suffices, else in tiles that overlap."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from torch import Tensor

from app.engine.core import memory
from app.engine.core.decoding import Developed, decode
from app.engine.core.denoising import SIDE
from app.engine.core.untyped import Autoencoder

log = logging.getLogger(__name__)

TILE: Final = 512  # pixels of a side
OVERLAP: Final = 0.25


class Darkroom:
    """`tiled_above` so many pixels a picture is decoded in tiles, which may show where they meet. It falls to what did
    not fit."""

    def __init__(self, vae: Autoencoder, tiled_above: int) -> None:
        self._vae = vae
        self.tiled_above = tiled_above

    def develop(self, latents: Tensor) -> Developed:
        """The picture of finished latents. Raises torch.OutOfMemoryError if it does not even fit in tiles."""
        pixels = latents.shape[-1] * latents.shape[-2] * SIDE * SIDE
        if pixels <= self.tiled_above:
            try:
                return decode(self._vae, latents)
            except Exception as error:
                if not memory.is_exhausted(error):
                    raise
            # Only here the traceback, and with it every tensor of the failed decode, is gone.
            memory.free()
            self.tiled_above = pixels - 1
            log.warning(
                "Pictures of %d pixels and more do not fit into memory in one piece: in tiles from now on", pixels
            )
        with self._in_tiles():
            return replace(decode(self._vae, latents), tiled=True)

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
