"""What the transformer reads of a prompt, and what is remembered of it."""

import pytest
import torch

from app.engine.core.captions import CaptionEncoder, FeatureCache
from app.engine.core.devices import pick_device
from app.engine.core.loader import load_pipeline
from app.engine.core.models import DEMO

PROMPTS = ["a red circle on a white background", "一个红色的圆形，白色背景", ""]


def test_features_are_the_pipelines_own_without_padding_and_without_the_last_layer() -> None:
    plain, own = (load_pipeline(DEMO, pick_device("cpu")) for _ in range(2))
    captions = CaptionEncoder(own.tokenizer, own.text_encoder)
    assert len(own.text_encoder.layers) == len(plain.text_encoder.layers) - 1
    with torch.inference_mode():
        theirs, _ = plain.encode_prompt(list(PROMPTS), do_classifier_free_guidance=False)
        for prompt, features in zip(PROMPTS, theirs, strict=True):
            assert torch.allclose(captions.features(prompt), features, atol=1e-6 * float(features.abs().max()))


def test_the_same_prompt_is_encoded_once() -> None:
    own = load_pipeline(DEMO, pick_device("cpu"))
    captions = CaptionEncoder(own.tokenizer, own.text_encoder)
    calls = []
    own.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    with torch.inference_mode():
        first, again = captions.features("a cat"), captions.features("a cat")
        captions.features("a dog")
    assert torch.equal(first, again)
    assert len(calls) == 2


@pytest.fixture
def cache() -> FeatureCache:
    return FeatureCache(limit=3 * 400)


def test_the_cache_forgets_what_was_asked_for_longest_ago_and_keeps_to_its_bytes(cache: FeatureCache) -> None:
    for prompt in ("a", "b", "c"):
        cache.put(prompt, torch.zeros(100))
    assert cache.get("a") is not None
    cache.put("d", torch.zeros(100))
    assert [cache.get(prompt) is not None for prompt in "abcd"] == [True, False, True, True]


def test_features_that_are_larger_than_the_cache_push_nothing_out(cache: FeatureCache) -> None:
    cache.put("a", torch.zeros(100))
    cache.put("huge", torch.zeros(1000))
    assert cache.get("a") is not None
    assert cache.get("huge") is None


def test_the_same_prompt_twice_counts_once(cache: FeatureCache) -> None:
    for _ in range(5):
        cache.put("a", torch.zeros(100))
    cache.put("b", torch.zeros(100))
    assert cache.get("a") is not None
