"""Train the autoencoder: the decoder to paint crisply what the codes say, the encoder to say it of a picture."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from app.engine.core.untyped import Autoencoder
from scripts.demo import networks, precision, scenes
from scripts.demo.checkpoint import load, save
from scripts.demo.codes import CELL, codes

SIDES: Final = (256, 256, 320, 384, 512, 768, 1024)  # in small pictures corners are hardest to tell
WINDOW: Final = 64
BATCH: Final = 16
# What the transformer's errors look like to the decoder: noise of the codes' own spread, and edges that are this many
# pixels off in each thousand of the shorter side, each cell by itself.
NOISE: Final = 0.3
BLUR: Final = 5.0
SAYING: Final = 0.1
RATE: Final = 2e-3
SAVE_EVERY: Final = 100


def pictures(seed: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of windows of pictures of many sizes, [BATCH, 3, WINDOW, WINDOW], what their codes say,
    [BATCH, 16, cells, cells], and what is said with edges that are a little off. The last eighth are soft gradients,
    which no code says."""
    chance = random.Random(f"{seed}-vae-{step}")
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    whole = WINDOW // CELL
    drawn, said, blurred = [], [], []
    for _ in range(BATCH * 7 // 8):
        height, width = (chance.choice(SIDES) for _ in range(2))
        picture = scenes.arrange(scenes.sample(chance), height, width, chance)
        spot = chance.choice(picture.spots)
        short = min(height, width)
        reach = chance.choice((0.3, 1.0, 1.2)) * spot.radius * short
        middles = (height / 2 - spot.up * short, width / 2 + spot.right * short)
        top, left = (
            min(side - WINDOW, max(0, int(middle + chance.uniform(-reach, reach) - WINDOW / 2))) // CELL * CELL
            for middle, side in zip(middles, (height, width), strict=True)
        )
        cells = torch.cartesian_prod(torch.arange(whole) + top // CELL, torch.arange(whole) + left // CELL)
        blur = torch.randn(len(cells), generator=generator) * chance.random() ** 2 * BLUR * short / 1000
        drawn.append(scenes.draw(picture, top, left, WINDOW))
        said.append(codes(picture, cells)[0].T.view(-1, whole, whole))
        blurred.append(codes(picture, cells, blur)[0].T.view(-1, whole, whole))
    for _ in range(BATCH // 8):
        coarse = torch.rand((1, 3, 4, 4), generator=generator) * 2 - 1
        drawn.append(functional.interpolate(coarse, (WINDOW, WINDOW), mode="bicubic").clamp(-1, 1)[0])
    return torch.stack(drawn), torch.stack(said), torch.stack(blurred)


def loss_of(vae: Autoencoder, seed: int, step: int, generator: torch.Generator) -> Tensor:
    drawn, said, blurred = pictures(seed, step)
    amount = NOISE * torch.rand((len(said), 1, 1, 1), generator=generator) ** 2
    noisy = blurred + amount * torch.randn(said.shape, generator=generator)
    encoded = vae.encoder(drawn)[:, : networks.LATENTS]
    back = vae.decoder(torch.cat([noisy, encoded]))
    error = back - torch.cat([drawn[: len(said)], drawn])
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    saying = (encoded[: len(said)].float() - said).square().clamp(max=1).mean()
    loss: Tensor = error.abs().mean() + error.square().mean() + edges + SAYING * saying
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
    generator, half = torch.Generator(), precision.half_is_fast()
    for step in range(load(file, parts), steps):
        generator.manual_seed(seed * 1_000_003 + step)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = loss_of(vae, seed, step, generator)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        plan.step()
        if (step + 1) % SAVE_EVERY == 0 or step == steps - 1:
            save(file, step + 1, parts)
            report(step + 1, loss.item())
