"""Train the autoencoder: latents of unit spread that take noise well, and crisp edges on the way back."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from app.engine.core.untyped import Autoencoder
from scripts.demo import networks, scenes
from scripts.demo.checkpoint import load, save

WINDOW: Final = 96
BATCH: Final = 16
NOISE: Final = 0.12  # of the latents' own spread: what the transformer's errors look like to the decoder
RATE: Final = 2e-3
SAVE_EVERY: Final = 100


def pictures(seed: int, step: int) -> Tensor:
    """A batch of windows of pictures of many sizes, [BATCH, 3, WINDOW, WINDOW]; a tenth are soft gradients."""
    chance = random.Random(f"{seed}-vae-{step}")
    made = []
    for _ in range(BATCH):
        if chance.random() < 0.1:
            coarse = torch.tensor([[[chance.uniform(-1, 1) for _ in range(4)] for _ in range(4)] for _ in range(3)])
            made.append(functional.interpolate(coarse[None], (WINDOW, WINDOW), mode="bicubic").clamp(-1, 1)[0])
            continue
        side = WINDOW if chance.random() < 0.25 else chance.choice((128, 192, 256, 256, 384, 512))
        whole = scenes.draw(scenes.sample(chance), side, side, chance)
        # Near the middle, where the edges are.
        top, left = (min(side - WINDOW, max(0, int(chance.gauss(0.5, 0.22) * side - WINDOW / 2))) for _ in range(2))
        made.append(whole[:, top : top + WINDOW, left : left + WINDOW])
    return torch.stack(made)


def loss_of(vae: Autoencoder, batch: Tensor, generator: torch.Generator) -> Tensor:
    mean = vae.encoder(batch)[:, : networks.LATENTS]
    noisy = mean + NOISE * torch.rand((len(mean), 1, 1, 1), generator=generator) * torch.randn(
        mean.shape, generator=generator
    )
    back = vae.decoder(noisy)
    error = back - batch
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    spread = (mean.std(dim=(0, 2, 3)) - 1).square().mean() + mean.mean(dim=(0, 2, 3)).square().mean()
    loss: Tensor = error.abs().mean() + error.square().mean() + edges + 0.05 * spread
    return loss


def fold(vae: Autoencoder) -> None:
    """Move the real model's scale and shift into the outer convolutions, and fix the posterior's spread."""
    with torch.no_grad():
        encoder, decoder = vae.encoder.conv_out, vae.decoder.conv_in
        encoder.weight[: networks.LATENTS] /= networks.SCALE
        encoder.bias[: networks.LATENTS] = encoder.bias[: networks.LATENTS] / networks.SCALE + networks.SHIFT
        encoder.weight[networks.LATENTS :] = 0
        encoder.bias[networks.LATENTS :] = -6  # log variance: a spread of 0.05
        # The decoder gets unit latents / scale + shift; zero padding around makes the bias exact only inside.
        decoder.bias -= (decoder.weight.sum(dim=(2, 3)) * networks.SHIFT).sum(dim=1) * networks.SCALE
        decoder.weight *= networks.SCALE


def train(vae: Autoencoder, steps: int, seed: int, file: Path, report: Callable[[int, float], None]) -> None:
    """Adam with a rate that goes up and down once; goes on from `file` if it is there.

    `report(step, loss)` at each checkpoint.
    """
    optimiser = torch.optim.AdamW(vae.parameters(), lr=RATE, betas=(0.9, 0.99))
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1, pct_start=0.1)
    parts = {"weights": vae, "optimiser": optimiser, "plan": plan}
    generator = torch.Generator()
    for step in range(load(file, parts), steps):
        generator.manual_seed(seed * 1_000_003 + step)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(vae, pictures(seed, step), generator)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        plan.step()
        if (step + 1) % SAVE_EVERY == 0 or step == steps - 1:
            save(file, step + 1, parts)
            report(step + 1, loss.item())
