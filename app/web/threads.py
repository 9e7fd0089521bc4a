"""Blocking flows run in threads of their own, so that neither Gradio nor file answers wait for them."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import anyio
from anyio.lowlevel import RunVar

AT_ONCE: Final = 32
Answer = TypeVar("Answer")
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("atelier_flow_threads")


async def in_thread(work: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:  # noqa: ANN401 - passed through
    """Run a flow without blocking the event loop; at most AT_ONCE at a time."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(AT_ONCE)
        _limiter.set(limiter)
    return await anyio.to_thread.run_sync(partial(work, *args, **kwargs), limiter=limiter)
