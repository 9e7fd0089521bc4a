"""What a process has learnt about its device's memory: after each lack of it, it asks for less and says so."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import nn

from app.domain.generation import SIDE_STEP
from app.engine import wire
from app.engine.core.levers import Tuned
from app.engine.core.profiles import Placement, Rounding

log = logging.getLogger(__name__)

# A picture of this size that does not fit tells more about others on the device than about pictures.
LEAST_SIDE: Final = 512


def frees_nothing(device: torch.device) -> bool:
    """Whether what leaves the device goes into the same memory."""
    return device.type == "cpu"


class Thrift:
    """`most` pictures share a step, and one of `largest_side` squared still fits; neither grows again."""

    def __init__(
        self,
        tuned: Tuned,
        parts: tuple[nn.Module, ...],
        most: int,
        facts: Mapping[str, str],
        say: Callable[[wire.Ready], None],
    ) -> None:
        """`parts` are what may take turns on the device where it is too small for all; `facts` are the pictures'."""
        self.most, self.largest_side = most, tuned.profile.largest_side
        self._tuned, self._parts, self._facts, self._say = tuned, parts, facts, say

    def ready(self, notice: str = "", params: Mapping[str, str | int | float] | None = None) -> wire.Ready:
        return wire.Ready(
            self.most,
            profile=self._tuned.profile.name,
            largest_side=self.largest_side,
            facts=self._facts,
            notice=notice,
            params=params or {},
        )

    def share_less(self, together: int) -> None:
        """So many did not fit into one step."""
        self.most = min(self.most, max(1, together // 2))
        self._tell("engine.memory-shared", most=self.most)

    def spare(self) -> bool:
        """Keep on the device only what is at work, if that is possible and new."""
        profile, stage = self._tuned.profile, self._tuned.stage
        plain = profile.placement is Placement.RESIDENT and profile.rounding is Rounding.NONE
        if not plain or profile.text_encoder_4bit or stage.takes_turns or frees_nothing(stage.device):
            return False
        stage.take_turns(*self._parts)
        self._tell("engine.memory-turns")
        return True

    def note_too_large(self, width: int, height: int) -> None:
        """A picture of this size did not fit even alone."""
        side = math.isqrt(width * height - 1) // SIDE_STEP * SIDE_STEP
        if LEAST_SIDE <= side < self.largest_side:
            self.largest_side = side
            self._tell("engine.memory-size", width=width, height=height)

    def _tell(self, notice: str, **params: str | int) -> None:
        log.warning("Too little memory: %s %s", notice, params)
        self._say(self.ready(notice, params))
