"""Operations of one picture (a multiplication and an addition are two), from the model's own dimensions.

What is done once a picture and not once a token or pixel (norms, the clock's embedding) is left out: it is less than
a hundredth. For Z-Image-Turbo at 1024², 8 steps and 64 tokens: 8 x 55.6 + 10.5 + 0.5 million million.
"""

from typing import Final

from app.engine.core.denoising import SIDE
from app.engine.core.untyped import Autoencoder, TextEncoder, ZImagePipeline, ZImageTransformer

PATCH: Final = 2  # latents of a token's side
MULTIPLE: Final = 32  # tokens are filled up to one of this
# Operations a second in bfloat16 that large products were measured to reach on a card of that name (H200 has H100's
# chip); NVIDIA's data sheet says 989 million million, which nothing reaches.
ROOFS: Final = {"H100 80GB HBM3": 7.9e14, "H200": 7.9e14}


def of_picture(pipeline: ZImagePipeline, side: int, tokens: int, steps: int) -> int:
    """Guidance 0, a caption of so many tokens."""
    denoising = steps * of_step(pipeline.transformer, side, tokens)
    return denoising + of_text(pipeline.text_encoder, tokens) + of_decode(pipeline.vae, side)


def of_step(transformer: ZImageTransformer, side: int, tokens: int) -> int:
    config = transformer.config
    dim = config.dim
    image, caption = _filled((side // (SIDE * PATCH)) ** 2), _filled(tokens)
    blocks = config.n_layers * _block(dim, image + caption)
    refiners = config.n_refiner_layers * (_block(dim, image) + _block(dim, caption))
    ends = 2 * 2 * image * dim * config.in_channels * PATCH**2 + 2 * caption * dim * config.cap_feat_dim
    return int(blocks + refiners + ends)


def of_text(text_encoder: TextEncoder, tokens: int) -> int:
    """Without the last layer, which the engine drops."""
    config = text_encoder.config
    queries, keys = config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim
    weights = config.hidden_size * (2 * queries + 2 * keys + 3 * config.intermediate_size)
    return int((config.num_hidden_layers - 1) * (2 * tokens * weights + 4 * tokens**2 * queries))


def of_decode(vae: Autoencoder, side: int) -> int:
    config = vae.config
    width, *_ = channels = tuple(reversed(config.block_out_channels))
    pixels = (side // SIDE) ** 2
    found = pixels * (_convolution(config.latent_channels, width) + 2 * _residual(width, width))
    if config.mid_block_add_attention:
        found += 2 * pixels * 4 * width**2 + 4 * pixels**2 * width
    for place, out in enumerate(channels):
        found += pixels * (_residual(width, out) + config.layers_per_block * _residual(out, out))
        width = out
        if place < len(channels) - 1:
            pixels *= 4
            found += pixels * _convolution(out, out)
    return int(found + pixels * _convolution(width, config.out_channels))


def roof_of(label: str) -> float | None:
    """Operations a second of the card in a device's label; None where nobody has measured."""
    return next((roof for name, roof in ROOFS.items() if name in label), None)


def _block(dim: int, tokens: int) -> int:
    """Four projections, three of the feed-forward part, and attention."""
    return 2 * tokens * (4 * dim**2 + 3 * dim * int(dim / 3 * 8)) + 4 * tokens**2 * dim


def _filled(tokens: int) -> int:
    return -(-tokens // MULTIPLE) * MULTIPLE


def _convolution(of: int, to: int, side: int = 3) -> int:
    """For each pixel of the outcome."""
    return 2 * side**2 * of * to


def _residual(of: int, to: int) -> int:
    return _convolution(of, to) + _convolution(to, to) + (_convolution(of, to, 1) if of != to else 0)
