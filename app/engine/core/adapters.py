"""LoRAs on the transformer. They act on all that it does, so only pictures with the same ones share a step.

Not thread-safe: the painter's thread calls everything.
"""

import hashlib
import itertools
import logging
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from app.domain.loras import LoraUse
from app.domain.ports import LORAS_TOO_LARGE, EngineRunError
from app.engine.core import memory
from app.engine.core.untyped import ZImagePipeline
from app.engine.loras import Adapter, LoraFile, LoraFolder
from app.logs import where

log = logging.getLogger(__name__)

UNUSABLE: Final = "lora-unusable"
# Those used last stay on the device; those that are in use always do.
MOST_KEPT: Final = 8
MOST_BYTES: Final = 2 * 2**30
DIGEST: Final = 12
PREFIX: Final = "transformer."
DOWN: Final = ".lora_A.weight"
UP: Final = ".lora_B.weight"
# What a file that is no adapter has is no reason to fail as if the device were full or lost.
NOT_THE_FILES_FAULT: Final = (torch.OutOfMemoryError, torch.AcceleratorError, MemoryError)


class _UnfitError(Exception):
    """The file is an adapter of another model, or none."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """`name` is the library's: it takes no dots."""

    name: str
    digest: str


class Adapters:
    """Loads what a step needs, takes it off for those who did not ask for it."""

    def __init__(self, pipeline: ZImagePipeline, folder: LoraFolder) -> None:
        self._pipeline = pipeline
        self._folder = folder
        self._numbers = itertools.count(1)
        self._loaded: OrderedDict[LoraFile, _Loaded] = OrderedDict()
        # None: not known, because something failed on the way.
        self._active: tuple[Adapter, ...] | None = ()

    def find(self, loras: Iterable[LoraUse]) -> tuple[Adapter, ...]:
        """The files as they are now, by their headers alone. Raises EngineRunError `lora-unusable`."""
        found = [Adapter(self._find(each.name), each.strength) for each in loras]
        return tuple(each for each in found if each.strength)

    def use(self, wanted: tuple[Adapter, ...]) -> None:
        """From now on the transformer is what it was loaded as with exactly these on it.

        Raises EngineRunError `lora-unusable`, or `loras-too-large` for this device; nothing of such a file stays.
        """
        if wanted == self._active:
            return
        self._active = None
        try:
            self._put_on(wanted)
        except Exception as error:
            if memory.is_exhausted(error):
                raise EngineRunError(LORAS_TOO_LARGE) from error
            raise
        self._active = wanted

    def _put_on(self, wanted: tuple[Adapter, ...]) -> None:
        with torch.inference_mode(mode=False), torch.no_grad(), warnings.catch_warnings():
            # That there are several on one model, and that one which is removed was the active one.
            warnings.simplefilter("ignore", UserWarning)
            names = [self._load(each.file) for each in wanted]
            self._let_go({each.file for each in wanted})
            if wanted:
                self._pipeline.enable_lora()
                self._pipeline.set_adapters(names, [each.strength for each in wanted])
            elif self._loaded:
                self._pipeline.disable_lora()

    def facts(self, used: tuple[Adapter, ...]) -> Mapping[str, str]:
        """The beginning of each file's SHA-256, for making the picture again; of those that were just in use."""
        digests = [f"{each.file.name}:{self._loaded[each.file].digest}" for each in used]
        return {"loras": ", ".join(digests)} if digests else {}

    def _find(self, name: str) -> LoraFile:
        file = self._folder.find(name)
        if file is None:
            raise _unusable(name, "it is not there")
        if file not in self._loaded:
            try:
                with safe_open(self._folder.path(name), framework="pt") as opened:
                    keys = opened.keys()
            except (OSError, SafetensorError) as error:
                raise _unusable(name, "no whole safetensors file") from error
            if not any("lora" in key or "lokr" in key for key in keys):
                raise _unusable(name, "no adapter")
        return file

    def _load(self, file: LoraFile) -> str:
        if file in self._loaded:
            self._loaded.move_to_end(file)
            return self._loaded[file].name
        if self._folder.find(file.name) != file:
            raise _unusable(file.name, "it has changed since it was asked for")
        path, name = self._folder.path(file.name), f"lora_{next(self._numbers)}"
        try:
            known = {"weight_name": path.name, "local_files_only": True, "use_safetensors": True}
            state = self._pipeline.lora_state_dict(path.parent, **known)
            self._require_fit(state)
            self._pipeline.load_lora_weights(path.parent, adapter_name=name, **known)
            self._require_on_it(name)
            self._widen(name, state)
            with path.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()[:DIGEST]
        except NOT_THE_FILES_FAULT:
            self._remove(name)
            raise
        except Exception as error:
            # The libraries find wrong content in many ways, and none has a name of its own. No text quotes a prompt.
            self._remove(name)
            if memory.is_exhausted(error):  # the CPU's allocator and some libraries have no error of their own
                raise
            log.warning("LoRA %s: %s", file.name, error, exc_info=where(error))
            raise EngineRunError(UNUSABLE) from error
        self._loaded[file] = _Loaded(name, digest)
        return name

    def _require_fit(self, state: Mapping[str, Tensor]) -> None:
        """Each pair of matrices has a layer, and its sides; what is built otherwise the library checks."""
        layers: dict[str, Any] = dict(self._pipeline.transformer.named_modules())
        for key, down in state.items():
            if not key.endswith(DOWN):
                continue
            label = key.removesuffix(DOWN)
            up, layer = state.get(label + UP), layers.get(label.removeprefix(PREFIX))
            if up is None or layer is None or not hasattr(layer, "in_features"):
                raise _UnfitError(f"{label} is no layer of this model")
            sides = (down.shape[-1], up.shape[0], down.shape[0])
            if sides != (layer.in_features, layer.out_features, up.shape[-1]):
                raise _UnfitError(f"{label} is {sides[1]} x {sides[0]}, not {layer.out_features} x {layer.in_features}")

    def _widen(self, name: str, state: Mapping[str, Tensor]) -> None:
        """On weights that lie there in fp8 the library rounds an adapter like them, and nothing multiplies that."""
        transformer = self._pipeline.transformer
        layers: dict[str, Any] = dict(transformer.named_modules())
        for key, values in state.items():
            label, part = key.removeprefix(PREFIX).removesuffix(".weight").rpartition(".")[::2]
            if key.endswith((DOWN, UP)) and (weight := getattr(layers[label], part)[name].weight).itemsize == 1:
                weight.data = values.to(weight.device, transformer.dtype)

    def _require_on_it(self, name: str) -> None:
        """The library leaves out what it does not know, and only warns."""
        if name not in self._on_it():
            raise _UnfitError("none of its parts belongs to this model")

    def _let_go(self, needed: set[LoraFile]) -> None:
        for file in list(self._loaded):
            weight = sum(each.size for each in self._loaded)
            if len(self._loaded) <= MOST_KEPT and weight <= MOST_BYTES:
                return
            if file not in needed:
                self._remove(self._loaded.pop(file).name)

    def _remove(self, name: str) -> None:
        if name in self._on_it():
            self._pipeline.delete_adapters(name)

    def _on_it(self) -> Mapping[str, Any]:
        return getattr(self._pipeline.transformer, "peft_config", None) or {}


def _unusable(name: str, reason: str) -> EngineRunError:
    log.warning("LoRA %s: %s", name, reason)
    return EngineRunError(UNUSABLE)
