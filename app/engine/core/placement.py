"""Where the model's parts are: on the device for good, or by turns while the others wait in the computer's memory."""

import logging
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from app.engine.core import memory

log = logging.getLogger(__name__)


class Stage:
    """The device, and who is on it. Parts that take turns stay until another is wanted. Not thread-safe.

    The library's own offloading answers to a part's `forward` alone, and brings weights back that nobody has changed;
    here the computer's memory keeps them, so that leaving costs nothing.
    """

    def __init__(self, device: torch.device, *, turns: tuple[nn.Module, ...] = ()) -> None:
        """Parts that take `turns` are in the computer's memory now."""
        self.device = device
        self._homes = {id(part): _Home(part) for part in turns}
        self._present: nn.Module | None = None

    @property
    def takes_turns(self) -> bool:
        return bool(self._homes)

    def bring(self, part: nn.Module) -> None:
        """Before each use of a part: whoever else takes turns leaves. Raises torch.OutOfMemoryError."""
        if part is self._present or id(part) not in self._homes:
            return
        if self._present is not None:
            log.debug("%s leaves the device", type(self._present).__name__)
            self._homes[id(self._present)].leave()
            self._present = None
        log.debug("%s comes to the device", type(part).__name__)
        self._homes[id(part)].come(self.device)
        self._present = part

    def take_turns(self, *parts: nn.Module) -> None:
        """From now on these do, which are on the device now: all leave it."""
        self._homes = {id(part): _Home(part) for part in parts}
        self._present = None
        for home in self._homes.values():
            home.leave()


class _Home:
    """A part's numbers in the computer's memory, page-locked for a GPU. They must not be changed on the device."""

    def __init__(self, part: nn.Module) -> None:
        self._part = part
        # By identity, and with the tensor itself, so that no other can have it; tensors do not compare as keys.
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    @torch.inference_mode(mode=False)
    def come(self, device: torch.device) -> None:
        self._keep(locked=device.type == "cuda")
        try:
            for tensor, kept in self._kept.values():
                tensor.data = kept.to(device, non_blocking=True, copy=True)
        except torch.OutOfMemoryError:
            self._restore()
            raise

    @torch.inference_mode(mode=False)
    def leave(self) -> None:
        self._keep(locked=torch.cuda.is_available())
        self._restore()

    def _restore(self) -> None:
        for tensor, kept in self._kept.values():
            tensor.data = kept

    def _keep(self, *, locked: bool) -> None:
        """A copy of whatever is new; what is no longer part of it (an adapter that was removed) is forgotten."""
        known, self._kept = self._kept, {}
        new = [tensor for tensor in self._tensors() if id(tensor) not in known]
        locked = locked and bool(new) and memory.may_lock(sum(tensor.nbytes for tensor in new))
        for tensor in self._tensors():
            self._kept[id(tensor)] = known.get(id(tensor)) or (tensor, _copied(tensor, locked=locked))

    def _tensors(self) -> Iterator[Tensor]:
        yield from self._part.parameters()
        yield from self._part.buffers()


def _copied(tensor: Tensor, *, locked: bool) -> Tensor:
    """What is in the computer's memory already is there once: one tensor after the other moves into locked pages."""
    here = tensor.data.cpu()
    if locked:
        try:
            here = here.pin_memory()
        except RuntimeError as error:
            log.warning("Memory could not be page-locked: %s", type(error).__name__)
    if tensor.device.type == "cpu":
        tensor.data = here
    return here
