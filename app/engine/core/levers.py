"""A profile's choices, pulled one by one on a pipeline. One that cannot be pulled leaves the plain way, and says so."""

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import torch
import transformers
from diffusers.hooks.group_offloading import apply_group_offloading
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn

from app.engine.core import memory
from app.engine.core.devices import Device
from app.engine.core.placement import Stage
from app.engine.core.profiles import CPU, Placement, Profile, Rounding
from app.engine.core.untyped import Autoencoder, ZImagePipeline, ZImageTransformer

log = logging.getLogger(__name__)

UNTYPED: Final[Any] = transformers  # it has no annotations
PLAIN_ATTENTION: Final = "native"
# Of the blocks only these products: rounding embedders, modulation or the last layer turns the picture into noise.
ROUNDED: Final = (".attention.to_", ".feed_forward.w")
BLOCKS: Final = ("layers.", "noise_refiner.", "context_refiner.")
# Graphs of one block that may be compiled: with and without modulation, mask and company, and once more with adapters.
MOST_GRAPHS: Final = 32


@dataclass(slots=True)
class Tuned:
    """What came of a profile: where the parts are, whose attention it is, whether the blocks are compiled."""

    profile: Profile
    stage: Stage
    attention: str = PLAIN_ATTENTION
    compiled: bool = False
    unused: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, str]:
        """For the facts of a picture: an exact one is only promised under the same."""
        return {
            "profile": self.profile.name,
            "attention": self.attention,
            "compiled": "yes" if self.compiled else "no",
            **({"unused": ", ".join(self.unused)} if self.unused else {}),
        }


def plain(pipeline: ZImagePipeline) -> Tuned:
    """A pipeline as it was loaded, all in one place."""
    return Tuned(Profile(name=CPU, dtype="float32"), Stage(pipeline.transformer.device))


def tune(pipeline: ZImagePipeline, device: str, profile: Profile) -> Tuned:
    """Put the pipeline's parts where the profile has them, and pull all its levers. Raises torch.OutOfMemoryError."""
    tuned = Tuned(profile, Stage(torch.device(device)))
    transformer, vae = pipeline.transformer, pipeline.vae
    if profile.rounding is Rounding.FP8_STORAGE:  # before it goes to a card that could not hold it otherwise
        _pull(tuned, "fp8 storage", lambda: round_storage(transformer))
    tuned.stage = place(pipeline, tuned.stage.device, profile.placement)
    if profile.rounding is Rounding.FP8_PRODUCTS:
        _pull(tuned, "fp8 products", lambda: round_products(transformer))
    if profile.channels_last:
        _pull(tuned, "channels last", lambda: channels_last(vae))
    tuned.attention = set_attention(transformer, profile.attention, tuned.stage.device)
    if profile.compiled:
        tuned.compiled = _pull(tuned, "compile", lambda: compile_blocks(transformer))
    log.info("Profile %s: %s", profile.name, ", ".join(f"{name} {value}" for name, value in tuned.facts().items()))
    return tuned


def place(pipeline: ZImagePipeline, device: torch.device, placement: Placement) -> Stage:
    """The decoder is small and always there. Raises torch.OutOfMemoryError."""
    if placement is Placement.RESIDENT:
        pipeline.to(device)
        return Stage(device)
    pipeline.vae.to(device)
    if placement is Placement.BY_PART:
        return Stage(device, turns=(pipeline.text_encoder, pipeline.transformer))
    for part in (pipeline.text_encoder, pipeline.transformer):
        stream_blocks(part, device)
    return Stage(device)


def stream_blocks(part: torch.nn.Module, device: torch.device) -> None:
    """Each block comes for its turn; on CUDA the next is on its way meanwhile, out of locked pages if there are any."""
    size = sum(tensor.nbytes for tensor in part.parameters())
    apply_group_offloading(
        part,
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=device.type == "cuda",
        record_stream=device.type == "cuda",
        low_cpu_mem_usage=device.type == "cuda" and not memory.may_lock(size),
    )


def set_attention(transformer: ZImageTransformer, wanted: tuple[str, ...], device: torch.device) -> str:
    """The first backend that works here, with a mask and without; the answer names it."""
    width = transformer.config.dim // transformer.config.n_heads
    for name in wanted:
        if name == PLAIN_ATTENTION:
            break
        if attention_works(name, width, device, transformer.dtype):
            transformer.set_attention_backend(name)
            return name
        log.warning("Attention by %s does not work here", name)
    return PLAIN_ATTENTION


def attention_works(name: str, width: int, device: torch.device, dtype: torch.dtype) -> bool:
    """Some backends refuse masks, or are only found missing when they are called."""
    sample = torch.zeros((2, 32, 2, width), device=device, dtype=dtype)
    mask = torch.ones((2, 1, 1, 32), device=device, dtype=torch.bool)
    try:
        for each in (None, mask):
            dispatch_attention_fn(sample, sample, sample, attn_mask=each, backend=AttentionBackendName(name))
    except Exception as error:
        if memory.is_exhausted(error):
            raise
        return False
    return True


def compile_blocks(transformer: ZImageTransformer) -> None:
    """The repeated blocks alone. One graph serves every size from the first on: were sizes learnt one by one, the graph
    that a picture meets, and so its last bit, would depend on who came before."""
    torch._dynamo.config.recompile_limit = MOST_GRAPHS  # noqa: SLF001 - torch documents it under this name
    transformer.compile_repeated_blocks(dynamic=True)


def forgive_compiler() -> None:
    """What cannot be compiled later runs as it is written: after the warm-up nobody should lose a picture by it."""
    torch._dynamo.config.suppress_errors = True  # noqa: SLF001 - as above


def forget_compiled(transformer: ZImageTransformer) -> None:
    """The blocks run as they are written again."""
    for module in transformer.modules():
        module._compiled_call_impl = None  # noqa: SLF001 - torch has no other way back


def channels_last(vae: Autoencoder) -> None:
    """The same numbers in the order that convolutions on tensor cores read."""
    vae.to(memory_format=torch.channels_last)


def round_storage(transformer: ZImageTransformer) -> None:
    """Weights lie there in fp8 and are widened for their layer's turn: half the memory, no less time."""
    transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=transformer.dtype)


def round_products(transformer: ZImageTransformer) -> None:
    """The blocks' large products in fp8, weights and activations, by torchao. Raises AssertionError before sm_89."""
    torchao: Any = importlib.import_module("torchao.quantization")
    how = torchao.Float8DynamicActivationFloat8WeightConfig(granularity=torchao.PerRow())
    torchao.quantize_(transformer, how, filter_fn=lambda _, name: is_rounded(name))


def is_rounded(name: str) -> bool:
    """Whether the module of this name in the transformer may be rounded to fp8."""
    return name.startswith(BLOCKS) and any(part in name for part in ROUNDED) and not name.endswith(".to_out")


def four_bits(device: Device) -> dict[str, Any]:
    """What loads a text encoder in nf4 by bitsandbytes, at once on the device."""
    how = UNTYPED.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=device.dtype)
    return {"quantization_config": how, "device_map": {"": device.name}}


def _pull(tuned: Tuned, name: str, lever: Callable[[], None]) -> bool:
    """Whether it worked; a lack of memory is not the lever's own failure."""
    try:
        lever()
    except Exception as error:
        if memory.is_exhausted(error):
            raise
        log.warning("%s cannot be used here: %s %s", name, type(error).__name__, error)
        tuned.unused.append(name)
        return False
    return True
