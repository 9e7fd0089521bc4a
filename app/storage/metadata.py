"""What a PNG says about its own making: for AUTOMATIC1111's readers, and for Atelier itself. Never who or where."""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from app.domain.ports import PictureRecipe

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
HEADER_END: Final = len(SIGNATURE) + 4 + 4 + 13 + 4  # IHDR comes first and is 13 bytes long (PNG, 3rd ed., §11.2.1)
SAMPLER: Final = "Euler flow match"


def parameters_text(recipe: PictureRecipe, facts: Mapping[str, str]) -> str:
    """The form of AUTOMATIC1111's `create_infotext`: prompt, negative prompt, then one line of settings."""
    lines = [recipe.prompt]
    if recipe.negative_prompt:
        lines.append(f"Negative prompt: {recipe.negative_prompt}")
    settings: dict[str, object] = {
        "Steps": recipe.steps,
        "Sampler": SAMPLER,
        "CFG scale": f"{recipe.guidance_scale:g}",
        "Seed": recipe.seed,
        "Size": f"{recipe.width}x{recipe.height}",
        "Model": facts.get("model", ""),
    }
    if recipe.strength is not None:
        settings["Denoising strength"] = f"{recipe.strength:g}"
    if recipe.loras:
        # A value with commas or colons stands in quotation marks there.
        settings["Loras"] = json.dumps(", ".join(f"{each.name}:{each.strength:g}" for each in recipe.loras))
    lines.append(", ".join(f"{key}: {value}" for key, value in settings.items()))
    return "\n".join(lines)


def recipe_json(recipe: PictureRecipe, facts: Mapping[str, str]) -> str:
    """Everything needed to make the picture again."""
    wanted = ("prompt", "negative_prompt", "width", "height", "steps", "guidance_scale", "seed")
    content = {name: getattr(recipe, name) for name in wanted}
    # What a picture of words alone has none of; an id says nothing of whose it is.
    given = {name: getattr(recipe, name) for name in ("image", "mask", "strength")}
    given["loras"] = [asdict(each) for each in recipe.loras]
    content |= {name: value for name, value in given.items() if value}
    return json.dumps({"version": 1, **content, "engine": dict(facts)}, ensure_ascii=False)


def with_text(png: bytes, texts: Mapping[str, str]) -> bytes:
    """The same PNG with text chunks after its header; the pixels are not encoded again."""
    if png[: len(SIGNATURE)] != SIGNATURE:
        raise ValueError("not a PNG")
    chunks = b"".join(_text_chunk(keyword, text) for keyword, text in texts.items())
    return png[:HEADER_END] + chunks + png[HEADER_END:]


def _text_chunk(keyword: str, text: str) -> bytes:
    """`tEXt` where Latin-1 can say it, which every reader knows, else `iTXt` (PNG, 3rd ed., §11.3.3)."""
    try:
        kind, content = b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        kind, content = b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode()
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
