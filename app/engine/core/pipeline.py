"""One request through the pipeline's own `__call__`: picture by picture, each with its own seed."""

import gc
import io
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

import torch
from PIL import Image
from transformers import PreTrainedTokenizerBase

from app.domain.generation import MAX_PROMPT_TOKENS
from app.domain.ports import (
    EngineCancelledError,
    EngineEvent,
    EngineRequest,
    EngineRunError,
    PictureMade,
    PictureOrder,
    StepDone,
)
from app.engine.prompts import encodable
from app.logs import where

log = logging.getLogger(__name__)

# What the pipeline encodes, chat template included; more is cut off without a word.
MAX_SEQUENCE: Final = 512
# Anything slower costs more time than the picture's last step, for a few per cent of its size.
PNG_LEVEL: Final = 1
CPU_MEMORY: Final = "can't allocate memory"
TORCH: Final = Path(torch.__file__).parent


class Output(Protocol):
    images: torch.Tensor


class Pipeline(Protocol):
    """What is used of diffusers' ZImagePipeline, which has no annotations."""

    tokenizer: PreTrainedTokenizerBase

    def __call__(self, **arguments: object) -> Output: ...


class Painter:
    """Makes the pictures of one request at a time; not re-entrant, as the pipeline is not.

    `facts` go with every picture.
    """

    def __init__(self, pipeline: Pipeline, facts: Mapping[str, str]) -> None:
        self._pipeline = pipeline
        self._facts = facts

    def make(self, request: EngineRequest, emit: Callable[[EngineEvent], None], cancelled: Callable[[], bool]) -> None:
        """Emit StepDone for each step, and PictureMade for each picture, in order.

        `cancelled` is asked after each step. Raises EngineCancelledError, EngineRunError, and
        torch.AcceleratorError when the device is lost, after which only a new process helps.
        """
        try:
            self._require_tokens(request)
            for order in request.pictures:
                _require_going(cancelled)
                emit(self._picture(request, order, emit, cancelled))
        except (EngineCancelledError, EngineRunError, torch.AcceleratorError):
            raise
        except Exception as error:  # noqa: BLE001 - the child lives on, whatever a request does
            code = _code_of(error)
        else:
            return
        # Here the traceback, and with it every tensor of the failed call, is gone.
        _free_memory()
        raise EngineRunError(code)

    def _picture(
        self,
        request: EngineRequest,
        order: PictureOrder,
        emit: Callable[[EngineEvent], None],
        cancelled: Callable[[], bool],
    ) -> PictureMade:
        begun = time.perf_counter()

        def on_step_end(
            _pipeline: object, step: int, _timestep: object, tensors: dict[str, torch.Tensor]
        ) -> dict[str, torch.Tensor]:
            emit(StepDone(index=order.index, step=step + 1))
            _require_going(cancelled)
            if step + 1 == request.steps:
                _require_finite(tensors["latents"])
            return tensors

        guided = request.guidance_scale > 0
        # The pipeline writes its template into the lists it gets, so they are new ones.
        pixels = self._pipeline(
            prompt=[encodable(request.prompt)],
            negative_prompt=[encodable(request.negative_prompt)] if guided else None,
            height=request.height,
            width=request.width,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            # On the CPU for every device: the same seed is the same noise everywhere.
            generator=[torch.Generator("cpu").manual_seed(order.seed)],
            callback_on_step_end=on_step_end,
            max_sequence_length=MAX_SEQUENCE,
            output_type="pt",
        ).images[0]
        png = _encode(pixels)
        return PictureMade(
            index=order.index, seed=order.seed, png=png, seconds=time.perf_counter() - begun, facts=dict(self._facts)
        )

    def _require_tokens(self, request: EngineRequest) -> None:
        for prompt in (request.prompt, request.negative_prompt if request.guidance_scale > 0 else ""):
            text = encodable(prompt)
            if self._tokens(text) > MAX_PROMPT_TOKENS or self._tokens(self._templated(text)) > MAX_SEQUENCE:
                raise EngineRunError("prompt-too-long")

    def _tokens(self, text: str) -> int:
        return len(self._pipeline.tokenizer(text).input_ids)

    def _templated(self, text: str) -> str:
        """The text as the pipeline encodes it."""
        return str(
            self._pipeline.tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True, enable_thinking=True
            )
        )


def _require_going(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise EngineCancelledError


def _require_finite(tensor: torch.Tensor) -> None:
    """NaN would come out as a black picture."""
    if not bool(torch.isfinite(tensor).all()):
        raise EngineRunError("invalid-pixels")


def _encode(pixels: torch.Tensor) -> bytes:
    """RGB values 0..1, [3, height, width], as PNG."""
    _require_finite(pixels)
    octets = pixels.float().mul(255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu()
    file = io.BytesIO()
    Image.fromarray(octets.numpy()).save(file, "PNG", compress_level=PNG_LEVEL)
    return file.getvalue()


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _code_of(error: Exception) -> str:
    """The error code of a run that failed; anything but a lack of memory is logged, without the prompt."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or CPU_MEMORY in str(error):
        return "out-of-memory"
    # Torch's own messages cannot quote a prompt; a tokenizer's might.
    frames = traceback.extract_tb(error.__traceback__)
    is_torch = isinstance(error, RuntimeError) and frames and Path(frames[-1].filename).is_relative_to(TORCH)
    message = str(error) if is_torch else ""
    log.error("The pipeline failed: %s %s", type(error).__name__, message, exc_info=where(error))
    return "engine-error"
