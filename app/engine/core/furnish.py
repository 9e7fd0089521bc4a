"""From a folder that was checked to a painter at work: profile, weights, levers, and each usual size made once."""

import logging
from collections.abc import Callable
from dataclasses import replace

from app.engine import wire
from app.engine.core import memory, profiles
from app.engine.core.devices import Device, describe
from app.engine.core.facts import facts_of
from app.engine.core.failures import LoadError
from app.engine.core.levers import tune
from app.engine.core.loader import load_pipeline
from app.engine.core.models import Choice
from app.engine.core.painter import Painter
from app.engine.core.profiles import Profile, Rounding, Weights
from app.engine.core.warming import warm_up
from app.engine.core.weights import GGUF
from app.engine.loras import LoraFolder

log = logging.getLogger(__name__)

OUT_OF_MEMORY = "engine.out-of-memory"


def furnish(
    choice: Choice, device: Device, wanted: str, loras: LoraFolder, say: Callable[[wire.FromChild], None]
) -> tuple[Painter, wire.Ready]:
    """The painter, and what to tell the parent then. Where the model does not fit, the next lower profile is tried.

    Raises LoadError.
    """
    card = describe(device)
    weights = _weights(choice)
    profile, lacking = profiles.choose(wanted, card, weights)
    notice, params = "", {}
    if lacking:
        notice = "engine.profile-lacks"
        params = {"wanted": wanted, "lacking": lacking, "profile": profile.name}
        log.warning("The profile %s needs %s: %s is used instead", wanted, lacking, profile.name)
    while True:
        try:
            painter = _painter(choice, device, profile, loras, say)
        except LoadError as error:
            next_lower = profiles.lower(profile, card, weights) if error.reason == OUT_OF_MEMORY else None
            if next_lower is None:
                raise
            log.warning("The model does not fit with the profile %s: trying %s", profile.name, next_lower.name)
            notice = "engine.profile-lowered"
            params = {"wanted": profile.name, "profile": next_lower.name, "device": device.label}
            profile = next_lower
        else:
            return painter, painter.thrift.ready(notice, params)
        memory.free()


def _weights(choice: Choice) -> Weights:
    """Of a packed transformer, what it takes as it is."""
    known = profiles.DEMO if choice.is_demo else profiles.TURBO
    if choice.weights is None or not _is_packed(choice):
        return known
    return replace(known, transformer=choice.weights.stat().st_size)


def _is_packed(choice: Choice) -> bool:
    return choice.weights is not None and choice.weights.suffix == GGUF


def _painter(
    choice: Choice, device: Device, profile: Profile, loras: LoraFolder, say: Callable[[wire.FromChild], None]
) -> Painter:
    if _is_packed(choice):  # rounded already, and in a way that no lever knows
        profile = replace(profile, rounding=Rounding.NONE)
    pipeline = load_pipeline(choice.folder, device, profile, choice.weights)
    facts = facts_of(choice.name, choice.folder, device, choice.weights)
    try:
        tuned = tune(pipeline, device.name, profile)
        known = {**facts, **tuned.facts()}
        warm_up(pipeline, tuned, lambda fraction: say(wire.Warming(fraction, known)))
        return Painter(pipeline, facts, say, most=profile.most, loras=loras, tuned=tuned)
    except Exception as error:
        if not memory.is_exhausted(error):
            raise
        raise LoadError(OUT_OF_MEMORY, retry=True, device=device.label) from error
