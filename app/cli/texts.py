"""What the command line says, in the terminal's language."""

import os

from app.messages import DEFAULT_LANGUAGE, negotiate, translate


def language() -> str:
    """The terminal's language, by the variables that POSIX names."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return negotiate(value.partition(".")[0].partition("@")[0].replace("_", "-"))
    return DEFAULT_LANGUAGE


def text(key: str, /, **params: str | int | float) -> str:
    return translate(language(), f"cli.{key}", **params)
