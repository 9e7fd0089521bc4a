"""Z-Image-Turbo's full architecture with random weights: as fast as the real one, and nothing to download."""

import copy
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

from app.engine.core.untyped import Autoencoder, ZImagePipeline, ZImageTransformer

UNTYPED: Any = diffusers  # its classes have no annotations
TOKENIZER: Final = Path(__file__).parents[2] / "models" / "demo" / "tokenizer"
# Of the published model card and configuration files.
TEXT: Final = Qwen3Config(
    vocab_size=151936,
    hidden_size=2560,
    intermediate_size=9728,
    num_hidden_layers=36,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    max_position_embeddings=40960,
)
SPREAD: Final = 0.02
REFINERS: Final = 2


def full_size(device: str, dtype: torch.dtype, layers: int | None = None) -> ZImagePipeline:
    """A ZImagePipeline of 6.2 + 4.0 + 0.08 thousand million numbers, 20.5 GB in bfloat16.

    With so many `layers` instead of 30 and 35 that are read, each as wide as ever, it fits where that does not.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    torch.manual_seed(1)
    try:
        with torch.device(device):
            parts = {
                "transformer": _transformer(layers),
                "text_encoder": Qwen3Model(_text(layers)),
                "vae": _autoencoder(),
            }
    finally:
        torch.set_default_dtype(before)
    for part in parts.values():
        part.eval().requires_grad_(requires_grad=False)
        for weight in part.parameters():
            if weight.ndim > 1:
                weight.normal_(std=SPREAD)
    scheduler = UNTYPED.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=False)
    pipeline = UNTYPED.ZImagePipeline(scheduler=scheduler, tokenizer=AutoTokenizer.from_pretrained(TOKENIZER), **parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _transformer(layers: int | None) -> ZImageTransformer:
    shorter = {} if layers is None else {"n_layers": layers, "n_refiner_layers": min(layers, REFINERS)}
    return UNTYPED.ZImageTransformer2DModel(cap_feat_dim=2560, axes_lens=[1536, 512, 512], **shorter)


def _text(layers: int | None) -> Qwen3Config:
    """The last layer is never read."""
    shorter = copy.deepcopy(TEXT)
    if layers is not None:
        shorter.num_hidden_layers = layers + 1
        shorter.layer_types = (shorter.layer_types or [])[: layers + 1]
    return shorter


def _autoencoder() -> Autoencoder:
    return UNTYPED.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=16,
        norm_num_groups=32,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
        force_upcast=False,
    )
