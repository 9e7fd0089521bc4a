"""Lengths of time as people say them; static/js/times.js says them in the same way."""

from typing import Final

from app.messages import translate

SOON_SECONDS: Final = 3
MINUTE: Final = 60


def about(language: str, seconds: float) -> str:
    """`about 40 s`, `about 3 min`, `about 1 h 10 min`; never nothing."""
    if seconds < SOON_SECONDS:
        return translate(language, "ui.time.soon")
    fives = max(1, _rounded(seconds / 5)) * 5
    if fives < MINUTE:
        return translate(language, "ui.time.seconds", n=fives)
    minutes = _rounded(seconds / MINUTE)
    if minutes < MINUTE:
        return translate(language, "ui.time.minutes", n=minutes)
    hours, rest = divmod(_rounded(minutes / 5) * 5, MINUTE)
    if rest == 0:
        return translate(language, "ui.time.hours", n=hours)
    return translate(language, "ui.time.hours-minutes", hours=hours, minutes=rest)


def _rounded(number: float) -> int:
    """Halves up, as in the browser."""
    return int(number + 0.5)
