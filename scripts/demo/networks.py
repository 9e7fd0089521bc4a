"""The four trained or fixed parts of the demo pipeline, in the true classes at toy size."""

import math
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3Model

from app.engine.core.untyped import Autoencoder, Scheduler, ZImagePipeline, ZImageTransformer

UNTYPED: Any = diffusers  # its classes have no annotations
SCALE: Final = 0.3611
SHIFT: Final = 0.1159
# Of the sigmas: the real model has 3, whose last step begins with 0.3 of noise. That hides what is to be mended.
SHIFTED: Final = 0.5
LATENTS: Final = 16
TEXT: Final = 128
DIM: Final = 160


def autoencoder() -> Autoencoder:
    """16 latent channels at an eighth of the side, with the real model's scale and shift."""
    return UNTYPED.AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 16, 32, 64),
        layers_per_block=1,
        latent_channels=LATENTS,
        norm_num_groups=4,
        scaling_factor=SCALE,
        shift_factor=SHIFT,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
        force_upcast=False,
    )


def text_encoder(tokenizer: Qwen2Tokenizer) -> Qwen3Model:
    """Causal features of a caption, [tokens, TEXT]; the pipeline takes those before the last of the four layers."""
    return Qwen3Model(
        Qwen3Config(
            vocab_size=math.ceil(len(tokenizer) / 64) * 64,
            hidden_size=TEXT,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            max_position_embeddings=4096,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


def transformer() -> ZImageTransformer:
    """A true Z-Image transformer; the rotary axes are as long as the real one's, so the same sizes work."""
    network = UNTYPED.ZImageTransformer2DModel(
        dim=DIM,
        n_layers=8,
        n_refiner_layers=1,
        n_heads=5,
        n_kv_heads=5,
        cap_feat_dim=TEXT,
        axes_dims=[8, 12, 12],
        axes_lens=[1536, 512, 512],
    )
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "adaLN_modulation" in name and name.startswith(("layers", "noise_refiner")):
                weight.zero_()
                if name.endswith("bias"):
                    weight.view(4, -1)[1::2] = 0.5  # the gates: shut ones would learn late
            elif name.startswith("all_final_layer"):
                weight.zero_()
            elif "pad_token" in name:
                weight.normal_(std=0.02)
    return network


def scheduler() -> Scheduler:
    return UNTYPED.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=SHIFTED, use_dynamic_shifting=False)


def begin(folder: Path) -> ZImagePipeline:
    """A model of ours to go on with, in float32."""
    return UNTYPED.ZImagePipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)


def assemble(
    vae: Autoencoder, text_encoder: Qwen3Model, tokenizer: Qwen2Tokenizer, network: ZImageTransformer
) -> ZImagePipeline:
    """The true pipeline around the trained parts, which get their own attention back."""
    fresh = UNTYPED.ZImageTransformer2DModel.from_config(network.config)
    fresh.load_state_dict(network.state_dict())
    pipeline = UNTYPED.ZImagePipeline(
        scheduler=scheduler(), vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, transformer=fresh.eval()
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
