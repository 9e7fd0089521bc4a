"""The form of the page as a request by name: what is left empty is left out."""

from collections.abc import Mapping
from typing import Final

from app.domain.generation import DEFAULT_SIDE, DEFAULT_STEPS

FIELDS: Final = ("prompt", "negative_prompt", "width", "height", "steps", "guidance_scale", "seed", "count", "bulk")
SIZES: Final = (("512²", 512, 512), ("768²", 768, 768), ("1024²", 1024, 1024), ("16:9", 1280, 720), ("9:16", 720, 1280))
DEFAULTS: Final[Mapping[str, float]] = {
    "width": DEFAULT_SIDE,
    "height": DEFAULT_SIDE,
    "steps": DEFAULT_STEPS,
    "guidance_scale": 0.0,
    "count": 1,
    "bulk": False,
}
RANDOM: Final = (None, "", -1, "-1")


def request_body(values: Mapping[str, object]) -> dict[str, object]:
    """What `flows.submit` parses. A seed that is empty or -1 is random; nothing else is corrected here."""
    body = dict(values)
    body["seed"] = parse_seed(body.get("seed"))
    guidance = body.get("guidance_scale", 0.0)
    if isinstance(guidance, int | float) and guidance <= 0:
        # Without guidance the model never sees it, and the field is not on the page.
        body.pop("negative_prompt", None)
    if body.get("bulk") is None:
        body.pop("bulk", None)
    return body


def parse_seed(value: object) -> object:
    """A number typed into a text field is a number; whatever else it is, the flow refuses it by name."""
    text = value.strip() if isinstance(value, str) else value
    if text in RANDOM:
        return None
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 20:  # noqa: PLR2004 - 64 bits
        return int(text)
    return text
