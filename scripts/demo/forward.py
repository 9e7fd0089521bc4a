"""The transformer's forward pass for whole batches: the same values, without its lists and complex numbers."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from app.engine.core.untyped import Attention, ZImageTransformer
from scripts.demo.sizes import PAD


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
