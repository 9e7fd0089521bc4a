"""Small WebP copies for galleries, where the engine's own was lost."""

import io
from pathlib import Path
from typing import Final

from PIL import Image

from app.domain.thumbnails import FORMAT, LONGEST_SIDE, METHOD, QUALITY, REDUCING_GAP

RIFF_HEAD: Final = 12


def is_whole(file: Path) -> bool:
    """Whether it is there to its end: its RIFF header says how much follows the first eight octets."""
    try:
        with file.open("rb") as opened:
            head, size = opened.read(RIFF_HEAD), file.stat().st_size
    except OSError:
        return False
    return (head[:4], head[8:]) == (b"RIFF", b"WEBP") and int.from_bytes(head[4:8], "little") + 8 == size


def thumbnail(png: bytes) -> bytes:
    """WebP of at most 512 pixels a side, without metadata."""
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB")
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    encoded = io.BytesIO()
    small.save(encoded, FORMAT, quality=QUALITY, method=METHOD)
    return encoded.getvalue()
