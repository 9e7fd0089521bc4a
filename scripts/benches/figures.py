"""Numbers that every bench gives in the same way."""

import argparse
import math
import os
import platform
import statistics
from collections.abc import Sequence
from typing import Any


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.machine()}


def percentile(values: Sequence[float], part: float) -> float:
    """The nearest rank; `part` of 1 is the largest."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def spread_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Of times that were measured in seconds: milliseconds."""
    milliseconds = [1000 * each for each in seconds]
    return {
        "p50_ms": round(statistics.median(milliseconds), 2),
        "p95_ms": round(percentile(milliseconds, 0.95), 2),
        "max_ms": round(max(milliseconds), 2),
    }


def jain(shares: Sequence[float]) -> float:
    """R. Jain's index of fairness: 1 when all have the same, 1/n when one has everything."""
    squares = sum(each**2 for each in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def positive(text: str) -> int:
    """The type of an argument."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
