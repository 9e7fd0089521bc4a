"""Results on their way from the device to the computer's own memory, without holding up the thread that makes more."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.cuda import Event

new_event: Final[Callable[[], Event]] = Event  # its constructor has no annotations


class HostCopy:
    """`tensor` on its way; `ready` may be asked for in another thread, and waits there."""

    def __init__(self, tensor: Tensor) -> None:
        self._done: Event | None = None
        if tensor.is_cuda:
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host.copy_(tensor, non_blocking=True)
            self._done = new_event()
            self._done.record(torch.cuda.current_stream(tensor.device))
        else:
            self._host = tensor

    def ready(self) -> Tensor:
        if self._done is not None:
            self._done.synchronize()
        return self._host


class Lead:
    """Lets the host be one step ahead of the device and no more: full queues, and a cancel is still heard in time."""

    def __init__(self) -> None:
        self._last: Event | None = None

    def keep(self, device: torch.device) -> None:
        """Call after each step's launch: waits for the step before."""
        if device.type == "cuda":
            now = new_event()
            now.record(torch.cuda.current_stream(device))
            if self._last is not None:
                self._last.synchronize()
            self._last = now
