"""The browser behind a User-Agent header, in plain words. It is only what the browser says of itself."""

from typing import Final

from app.messages import translate

# The first that is found counts: most browsers also claim to be those that follow.
BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chromium", "Chromium"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
    ("python", "Python"),
)
SYSTEMS: Final = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
HANDHELD: Final = frozenset({"iPhone", "iPad", "Android"})


def in_words(language: str, user_agent: str) -> str:
    """`Firefox on Windows`; the part that is known where only one is."""
    browser, system = _first(BROWSERS, user_agent), _first(SYSTEMS, user_agent)
    if browser and system:
        return translate(language, "ui.sessions.device", browser=browser, system=system)
    return browser or system or translate(language, "ui.sessions.unknown")


def is_handheld(user_agent: str) -> bool:
    return _first(SYSTEMS, user_agent) in HANDHELD


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in names if mark in user_agent), "")
