"""What the transformer gets to read: captions as the pipeline encodes them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import Qwen2Tokenizer, Qwen3Model

from scripts.demo.sizes import PAD


@dataclass(frozen=True, slots=True)
class Readers:
    """What is learnt before, and stays as it is."""

    tokenizer: Qwen2Tokenizer
    text_encoder: Qwen3Model


def tokens_of(tokenizer: Qwen2Tokenizer, text: str) -> list[int]:
    """As the pipeline encodes it."""
    messages = [{"role": "user", "content": text}]
    whole = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, enable_thinking=True)
    return list(tokenizer(whole).input_ids)


def features(text_encoder: Qwen3Model, ids: Tensor) -> Tensor:
    """[n, padded length, TEXT], from before the last layer; the encoder is causal, so padding changes nothing."""
    seen = text_encoder(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
    if seen is None:
        raise RuntimeError("the text encoder shows no layers")
    read: Tensor = seen[-2]
    return read


@dataclass(frozen=True, slots=True)
class Caption:
    """Captions' features [n, padded length, TEXT], and how many tokens each has, [n]."""

    features: Tensor
    lengths: Tensor


def read(readers: Readers, texts: Sequence[str]) -> Caption:
    """As the transformer gets them, filled up to what the longest needs."""
    rows = [tokens_of(readers.tokenizer, text) for text in texts]
    longest = -(-max(map(len, rows)) // PAD) * PAD
    with torch.no_grad():
        made = features(readers.text_encoder, torch.tensor([row + [0] * (longest - len(row)) for row in rows]))
    return Caption(made, torch.tensor([len(row) for row in rows]))
