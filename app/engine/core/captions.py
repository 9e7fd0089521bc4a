"""Prompts as the transformer reads them: one tensor [tokens, width] each, encoded once and kept."""

import hashlib
from collections import OrderedDict
from typing import Final

from torch import Tensor, nn

from app.domain.generation import MAX_PROMPT_TOKENS
from app.domain.ports import EngineRunError
from app.engine.core.placement import Stage
from app.engine.core.untyped import TextEncoder, Tokenizer
from app.engine.prompts import encodable

# What the pipeline encodes, chat template included; more it cuts off without a word.
MAX_SEQUENCE: Final = 512
CACHE_BYTES: Final = 256 * 2**20


class CaptionEncoder:
    """The pipeline's tokenizer and text encoder, without padding and without the layer that nobody reads.

    The encoder is causal, so padding on the right changes no feature, and the pipeline takes those before the last
    layer. Not thread-safe.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        text_encoder: TextEncoder,
        cache_bytes: int = CACHE_BYTES,
        *,
        stage: Stage | None = None,
    ) -> None:
        """Without a `stage` the encoder stays where it is."""
        self._tokenizer = tokenizer
        self._encoder = text_encoder
        self._stage = stage or Stage(text_encoder.device)
        self._cache = FeatureCache(cache_bytes)
        drop_unread_layer(text_encoder)

    def features(self, prompt: str) -> Tensor:
        """[tokens, width] on the stage's device. Raises EngineRunError `prompt-too-long`."""
        text = encodable(prompt)
        device = self._stage.device
        if (kept := self._cache.get(text)) is not None:
            return kept.to(device, non_blocking=True)
        if len(self._tokenizer(text).input_ids) > MAX_PROMPT_TOKENS:
            raise EngineRunError("prompt-too-long")
        ids = self._tokenizer(self._templated(text), return_tensors="pt").input_ids
        if ids.shape[1] > MAX_SEQUENCE:
            raise EngineRunError("prompt-too-long")
        self._stage.bring(self._encoder)
        made: Tensor = self._encoder(input_ids=ids.to(device), use_cache=False).last_hidden_state[0]
        self._cache.put(text, made)
        return made

    def _templated(self, text: str) -> str:
        """The text as the pipeline encodes it."""
        messages = [{"role": "user", "content": text}]
        return str(
            self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, enable_thinking=True
            )
        )


class FeatureCache:
    """The features that were asked for last, in the computer's own memory, up to so many bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()

    def get(self, text: str) -> Tensor | None:
        key = _digest(text)
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, text: str, features: Tensor) -> None:
        key = _digest(text)
        if features.nbytes > self._limit or key in self._kept:
            return
        self._kept[key] = features.cpu()
        self._bytes += features.nbytes
        while self._bytes > self._limit:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.nbytes


def drop_unread_layer(text_encoder: TextEncoder) -> None:
    """What remains ends with the features that the pipeline reads as `hidden_states[-2]`. Done once."""
    if isinstance(text_encoder.norm, nn.Identity):
        return
    layers = text_encoder.layers
    text_encoder.layers = nn.ModuleList(list(layers)[: len(layers) - 1])
    text_encoder.norm = nn.Identity()


def _digest(text: str) -> bytes:
    """Prompts themselves are not kept beyond their job."""
    return hashlib.sha256(text.encode()).digest()


def padded_length(features: Tensor) -> int:
    """Tokens that the transformer makes of them: it fills up to a multiple of 32 with a learnt token."""
    return -(-features.shape[0] // SEQUENCE_MULTIPLE) * SEQUENCE_MULTIPLE


SEQUENCE_MULTIPLE: Final = 32
"""`SEQ_MULTI_OF` of diffusers' transformer_z_image."""
