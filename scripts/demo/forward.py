"""The transformer's forward pass for whole batches: the same values, without its lists and complex numbers."""

from collections.abc import Callable

import torch
from torch import Tensor

from app.engine.core.untyped import Attention, ZImageTransformer
from scripts.demo.reading import Caption
from scripts.demo.sizes import Canvas


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
        cos, sin = freqs_cis[0][:, :, None], freqs_cis[1][:, :, None]

        def turned(x: Tensor) -> Tensor:
            one, other = x.view(*x.shape[:-1], -1, 2).unbind(-1)
            return torch.stack([one * cos - other * sin, one * sin + other * cos], dim=-1).flatten(-2)

        query, key, value = (
            project(hidden_states).unflatten(-1, (attn.heads, -1)) for project in (attn.to_q, attn.to_k, attn.to_v)
        )
        # Plain products: in pieces this small they are faster on a CPU than fused attention, above all backwards.
        query, key = (turned(norm(x).float()) for norm, x in ((attn.norm_q, query), (attn.norm_k, key)))
        scores = (query.transpose(1, 2) * query.shape[-1] ** -0.5) @ key.transpose(1, 2).transpose(2, 3)
        if attention_mask is not None:
            scores = scores + attention_mask
        mixed = scores.float().softmax(dim=-1) @ value.transpose(1, 2)
        out: Tensor = attn.to_out[0](mixed.transpose(1, 2).flatten(2))
        return out


def make_fast(network: ZImageTransformer) -> None:
    for module in network.modules():
        if type(module).__name__ == "Attention":
            module.processor = RealAttention()


def turns(embedder: Callable[[Tensor], Tensor], ids: Tensor) -> Tensor:
    """The rotary angles at positions [n, tokens, 3] as cosine and sine, [2, n, tokens, head / 2]."""
    turn = embedder(ids.flatten(0, 1)).view(*ids.shape[:2], -1)
    return torch.stack([turn.real, turn.imag])


def velocity(
    network: ZImageTransformer,
    noisy: Tensor,
    canvas: Canvas,
    sigma: Tensor,
    caption: Caption,
    seen: list[Tensor] | None = None,
) -> Tensor:
    """The transformer's forward pass for tokens [n, tokens, 64], without its lists; `seen` gets what each layer has
    made of them, [n, tokens, DIM]."""
    count, tokens = noisy.shape[:2]
    text, length = caption.features, caption.features.shape[1]
    time = network.t_embedder((1 - sigma) * network.t_scale)
    x = torch.where(canvas.pads[..., None], network.x_pad_token, network.all_x_embedder["2-1"](noisy))
    grid = torch.cat([torch.full((count, tokens, 1), length + 1), canvas.places], dim=2)
    x_turns = turns(network.rope_embedder, grid.masked_fill(canvas.pads[..., None], 0).int())
    for layer in network.noise_refiner:
        x = layer(x, None, x_turns, time)

    words = network.cap_embedder(text)
    there = torch.arange(length)[None] < caption.lengths[:, None]
    words = torch.where(there[..., None], words, network.cap_pad_token)
    line = network.create_coordinate_grid((length, 1, 1), (1, 0, 0)).flatten(0, 2)
    word_turns = turns(network.rope_embedder, line.expand(count, -1, -1))
    for layer in network.context_refiner:
        words = layer(words, None, word_turns)

    both, both_turns = torch.cat([x, words], dim=1), torch.cat([x_turns, word_turns], dim=2)
    # The few stand for all: each counts as often as there are tokens for one.
    many = canvas.weights.log()[:, None].expand(count, tokens)
    bias = torch.cat([many, many.new_zeros(count, length)], dim=1)[:, None, None]
    for layer in network.layers:
        both = layer(both, bias, both_turns, time)
        if seen is not None:
            seen.append(both[:, :tokens])
    out: Tensor = network.all_final_layer["2-1"](both[:, :tokens], time)
    return out
