"""Teach the transformer to paint: flow matching on the latents of drawn scenes, in many sizes."""

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset
from transformers import Qwen2Tokenizer, Qwen3Model

from app.engine.core.untyped import Attention, Autoencoder, ZImageTransformer
from scripts.demo import captions, networks, scenes

# The sigmas of the pipeline's 8 steps: linspace(1, 1/8, 8), shifted by 3.
STEPS: Final = tuple(3 * u / (1 + 2 * u) for u in (1 - i / 8 for i in range(8)))
# How often each of them is trained: what is where is decided in the first.
EMPHASIS: Final = (3.0, 2.0, 1.5, 1.2, 1.0, 1.0, 1.0, 1.0)
ON_STEPS: Final = 0.7
APART: Final = 0.5  # of the latents' spread, from the ground's; the rim, where convolutions see nothing, is less
THING: Final = 4.0
WHERE: Final = 4.0
WHAT: Final = 2.0
PAD: Final = 32
WORDY: Final = 0.2  # of the batches have long captions
TOKENS: Final = 4096  # of a batch
GROWTH: Final = ((0.35, 384), (0.6, 640), (1.0, 1024))
ECHO: Final = 4  # times that a batch is learnt from: encoding its pictures costs more than a step
GROUP: Final = 8  # batches that take turns meanwhile
GLIMPSE: Final = 4  # points a token's side that the middle of the network is asked about
PATCH: Final = 16  # pixels a token's side


@dataclass(frozen=True, slots=True)
class Batch:
    """Latents [n, 16, h, w] of unit spread, coarse pictures [n, 3 * GLIMPSE**2, h / 2, w / 2], read captions
    [n, padded length, TEXT] and how many tokens each has."""

    latents: Tensor
    coarse: Tensor
    text: Tensor
    lengths: Tensor


@dataclass(frozen=True, slots=True)
class Readers:
    """What is learnt before, and stays as it is."""

    vae: Autoencoder
    tokenizer: Qwen2Tokenizer
    text_encoder: Qwen3Model


class Scenes(IterableDataset[Batch]):
    """The seeded batches from number `start` on."""

    def __init__(self, readers: Readers, seed: int, start: int, steps: int) -> None:
        self._readers, self._seed, self._start, self._steps = readers, seed, start, steps

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        for number in itertools.count(self._start):
            yield self._batch(number)

    def _batch(self, number: int) -> Batch:
        chance = random.Random(f"{self._seed}-flow-{number}")
        height, width = size(chance, largest(min(1.0, number * ECHO / self._steps)))
        count = max(2, TOKENS // (height * width // PATCH**2 + PAD))
        wordy = chance.random() < WORDY
        pairs = [captions.sample(chance, wordy=wordy) for _ in range(count)]
        latents, coarse = [], []
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            for part in range(0, count, 16):
                drawn = torch.stack([scenes.draw(scene, height, width, chance) for scene, _ in pairs[part : part + 16]])
                mean = self._readers.vae.encoder(drawn)[:, : networks.LATENTS]
                points = functional.avg_pool2d(drawn, PATCH // GLIMPSE)
                coarse.append(functional.pixel_unshuffle(points, GLIMPSE))
                latents.append((mean.float() - networks.SHIFT) * networks.SCALE)
        rows = [tokens_of(self._readers.tokenizer, text) for _, text in pairs]
        longest = -(-max(map(len, rows)) // PAD) * PAD
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        with torch.no_grad():
            text = features(self._readers.text_encoder, ids)
        return Batch(torch.cat(latents), torch.cat(coarse), text, torch.tensor([len(row) for row in rows]))


def largest(progress: float) -> int:
    """The side of the largest square so far: what captions mean is learnt where it costs little."""
    return next(side for until, side in GROWTH if progress <= until)


def size(chance: random.Random, largest_side: int) -> tuple[int, int]:
    """Height and width in pixels: small ones often, because they cost little, any shape up to 1:2."""
    area = (128 * (largest_side / 128) ** chance.random() ** 1.6) ** 2
    ratio = 1.0 if chance.random() < 0.5 else 2 ** chance.uniform(-1, 1)
    sides = ((area * ratio) ** 0.5, (area / ratio) ** 0.5)
    height, width = (min(1024, max(96, round(side / PATCH) * PATCH)) for side in sides)
    return height, width


def tokens_of(tokenizer: Qwen2Tokenizer, text: str) -> list[int]:
    """As the pipeline encodes it."""
    messages = [{"role": "user", "content": text}]
    whole = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, enable_thinking=True)
    return list(tokenizer(whole).input_ids)


def stream(readers: Readers, seed: int, start: int, steps: int) -> Iterator[Batch]:
    """A batch for each step from `start` to `steps`, made ahead in a process of its own."""
    groups, turn = divmod(start, GROUP * ECHO)
    scenes_ahead = Scenes(readers, seed, groups * GROUP, steps)
    loader: DataLoader[Batch] = DataLoader(scenes_ahead, batch_size=None, num_workers=1, prefetch_factor=GROUP)
    made = iter(loader)
    left = steps - start
    while left > 0:
        group = list(itertools.islice(made, GROUP))
        for batch in (group * ECHO)[turn:][:left]:
            yield batch
            left -= 1
        turn = 0


def features(text_encoder: Qwen3Model, ids: Tensor) -> Tensor:
    """[n, padded length, TEXT], from before the last layer; the encoder is causal, so padding changes nothing."""
    seen = text_encoder(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
    if seen is None:
        raise RuntimeError("the text encoder shows no layers")
    read: Tensor = seen[-2]
    return read


def turns(embedder: Callable[[Tensor], Tensor], ids: Tensor) -> Tensor:
    """The rotary angles at positions [n, 3] as cosine and sine, [2, n, head / 2]."""
    turn = embedder(ids)
    return torch.stack([turn.real, turn.imag])


class RealAttention:
    """The transformer's attention in real numbers, which compile well; the same values."""

    _attention_backend = None
    _parallel_config = None

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,  # noqa: ARG002 - the processor's signature
        attention_mask: Tensor | None = None,
        *,
        freqs_cis: Tensor,
    ) -> Tensor:
        cos, sin = freqs_cis[0][None, :, None], freqs_cis[1][None, :, None]

        def turned(x: Tensor) -> Tensor:
            one, other = x.view(*x.shape[:-1], -1, 2).unbind(-1)
            return torch.stack([one * cos - other * sin, one * sin + other * cos], dim=-1).flatten(-2)

        query, key, value = (
            project(hidden_states).unflatten(-1, (attn.heads, -1)) for project in (attn.to_q, attn.to_k, attn.to_v)
        )
        query, key = turned(attn.norm_q(query).float()), turned(attn.norm_k(key).float())
        mixed = functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.float().transpose(1, 2), attn_mask=attention_mask
        )
        out: Tensor = attn.to_out[0](mixed.transpose(1, 2).flatten(2))
        return out


def velocity(
    network: ZImageTransformer,
    noisy: Tensor,
    sigma: Tensor,
    text: Tensor,
    lengths: Tensor,
    seen: list[Tensor] | None = None,
) -> Tensor:
    """The transformer's forward pass for equal sizes and equal padded captions, without its lists; `seen` gets what
    each layer has made of the picture's tokens, [n, h / 2 * w / 2, DIM]."""
    count, channels, height, width = noisy.shape
    rows, columns = height // 2, width // 2
    time = network.t_embedder((1 - sigma) * network.t_scale)
    tokens = (
        noisy.view(count, channels, rows, 2, columns, 2).permute(0, 2, 4, 3, 5, 1).reshape(count, rows * columns, -1)
    )
    x = network.all_x_embedder["2-1"](tokens)
    spare = -rows * columns % PAD
    x = torch.cat([x, network.x_pad_token.expand(count, spare, -1)], dim=1)
    grid = network.create_coordinate_grid((1, rows, columns), (text.shape[1] + 1, 0, 0)).flatten(0, 2)
    x_turns = turns(network.rope_embedder, torch.cat([grid, grid.new_zeros(spare, 3)]))
    for layer in network.noise_refiner:
        x = layer(x, None, x_turns, time)

    caption = network.cap_embedder(text)
    there = torch.arange(text.shape[1])[None] < lengths[:, None]
    caption = torch.where(there[..., None], caption, network.cap_pad_token)
    line = network.create_coordinate_grid((text.shape[1], 1, 1), (1, 0, 0)).flatten(0, 2)
    caption_turns = turns(network.rope_embedder, line)
    for layer in network.context_refiner:
        caption = layer(caption, None, caption_turns)

    both, both_turns = torch.cat([x, caption], dim=1), torch.cat([x_turns, caption_turns], dim=1)
    for layer in network.layers:
        both = layer(both, None, both_turns, time)
        if seen is not None:
            seen.append(both[:, : rows * columns])
    out: Tensor = network.all_final_layer["2-1"](both[:, : rows * columns], time)
    return (
        out.view(count, rows, columns, 2, 2, channels).permute(0, 5, 1, 3, 2, 4).reshape(count, channels, height, width)
    )


class Glimpses(nn.Module):
    """What the middle of the network is asked while it learns: after two layers where a token lies, after four what is
    to be seen there. Nothing of it is shipped."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(networks.DIM, elementwise_affine=False)
        self.where = nn.Linear(networks.DIM, 4)
        self.what = nn.Linear(networks.DIM, 3 * GLIMPSE**2)

    def loss(self, seen: list[Tensor], batch: Batch) -> Tensor:
        """Mean squared errors; the weights of the latents' loss are those of what is seen, too."""
        _, _, rows, columns = batch.coarse.shape
        short = min(rows, columns)
        down, right = torch.meshgrid(
            (torch.arange(rows) + 0.5 - rows / 2) / short,
            (torch.arange(columns) + 0.5 - columns / 2) / short,
            indexing="ij",
        )
        sides = torch.tensor([rows / short, columns / short]).expand(rows, columns, 2)
        places = torch.cat([torch.stack([down, right], dim=-1), sides], dim=-1).view(1, rows * columns, 4)
        where = (self.where(self.norm(seen[1].float())) - places).square().mean()
        weight = functional.max_pool2d(weights(batch.latents)[:, None], 2).flatten(1)
        what = self.what(self.norm(seen[3].float())) - batch.coarse.flatten(2).transpose(1, 2)
        seen_right = (what.square().mean(dim=2) * weight / weight.mean(dim=1, keepdim=True)).mean()
        total: Tensor = WHERE * where + WHAT * seen_right
        return total


def loss_of(
    network: ZImageTransformer, glimpses: Glimpses, batch: Batch, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mean squared error of the velocity, and that of the glimpses. Most samples sit on the pipeline's own eight
    sigmas, the first ones above all, and most of the weight where a picture is not plain background."""
    count = len(batch.latents)
    u = torch.rand(count, generator=generator)
    free = 3 * u / (1 + 2 * u)
    fixed = torch.tensor(STEPS)[torch.multinomial(torch.tensor(EMPHASIS), count, replacement=True, generator=generator)]
    sigma = torch.where(torch.rand(count, generator=generator) < ON_STEPS, fixed, free)
    noise = torch.randn(batch.latents.shape, generator=generator)
    mix = sigma.view(-1, 1, 1, 1)
    seen: list[Tensor] = []
    out = velocity(network, (1 - mix) * batch.latents + mix * noise, sigma, batch.text, batch.lengths, seen)
    error = (out.float() - (batch.latents - noise)).square().mean(dim=1)
    return (error * weights(batch.latents)).mean(), glimpses.loss(seen, batch)


def weights(latents: Tensor) -> Tensor:
    """[n, h, w], 1 on average: things and their edges count more than the ground around them, small things too."""
    ground = latents.flatten(2).median(dim=2).values[..., None, None]
    thing = ((latents - ground).abs().mean(dim=1, keepdim=True) > APART).float()
    near = functional.max_pool2d(thing, 3, stride=1, padding=1)[:, 0]
    weight = 1 + THING * near
    return weight / weight.mean(dim=(1, 2), keepdim=True)
