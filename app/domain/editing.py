"""Pictures that begin with another picture: how much of it stays, and where it comes from."""

import re
from typing import Final

IMAGE_STRENGTH: Final = 0.6
MASK_STRENGTH: Final = 1.0
# Less would be no step at all for some number of steps.
MIN_STRENGTH: Final = 0.01
# A picture's own id begins with no `u`.
_UPLOAD_ID: Final = re.compile(r"u[0-9a-f]{15}")


def default_strength(*, masked: bool) -> float:
    """What is painted over by a mask is made anew; without one the original shines through."""
    return MASK_STRENGTH if masked else IMAGE_STRENGTH


def denoising_steps(steps: int, strength: float | None) -> int:
    """How many of `steps` are really made: with an original the first ones are left out. None is without one.

    The arithmetic of diffusers' `get_timesteps`.
    """
    if strength is None:
        return steps
    return steps - int(max(steps - min(steps * strength, steps), 0))


def is_upload_id(text: str) -> bool:
    return _UPLOAD_ID.fullmatch(text) is not None
