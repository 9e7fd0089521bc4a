"""Blocking flows run in threads of their own, so that neither Gradio nor file answers wait for them."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import anyio
from anyio.lowlevel import RunVar

from app.domain.errors import RateLimitedError

AT_ONCE: Final = 32
# Each check of a password takes 46 MiB and 60 ms of a core: as many as are checked at once, and those that may wait.
LOGINS_AT_ONCE: Final = 4
LOGINS_WAITING: Final = 200
# A picture of the largest size that is taken holds up to 200 MB while it is made upright.
PICTURES_AT_ONCE: Final = 2
PICTURES_WAITING: Final = 50
RETRY_SECONDS: Final = 5
Answer = TypeVar("Answer")
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("atelier_flow_threads")
_pictures: RunVar[anyio.CapacityLimiter] = RunVar("atelier_picture_threads")
_logins: RunVar[anyio.CapacityLimiter] = RunVar("atelier_login_threads")


async def in_thread(work: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:  # noqa: ANN401 - passed through
    """Run a flow without blocking the event loop; at most AT_ONCE at a time."""
    return await anyio.to_thread.run_sync(partial(work, *args, **kwargs), limiter=_of(_limiter, AT_ONCE))


async def in_picture_thread(work: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:  # noqa: ANN401 - likewise
    """Run a flow that decodes a picture from outside: so many at a time, whose pixels fit into memory together.

    Raises RateLimitedError when too many wait already.
    """
    limiter = _of(_pictures, PICTURES_AT_ONCE)
    if limiter.statistics().tasks_waiting >= PICTURES_WAITING:
        raise RateLimitedError(retry_after=RETRY_SECONDS)
    return await anyio.to_thread.run_sync(partial(work, *args, **kwargs), limiter=limiter)


async def in_login_thread(work: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:  # noqa: ANN401 - likewise
    """Run a flow that checks a password, apart from all others: a crowd at the door stops nobody inside.

    Raises RateLimitedError when too many wait already.
    """
    limiter = _of(_logins, LOGINS_AT_ONCE)
    if limiter.statistics().tasks_waiting >= LOGINS_WAITING:
        raise RateLimitedError(retry_after=RETRY_SECONDS)
    return await anyio.to_thread.run_sync(partial(work, *args, **kwargs), limiter=limiter)


def _of(kept: RunVar[anyio.CapacityLimiter], at_once: int) -> anyio.CapacityLimiter:
    try:
        return kept.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(at_once)
        kept.set(limiter)
        return limiter
