"""Small WebP copies for galleries."""

import io
from typing import Final

from PIL import Image

LONGEST_SIDE: Final = 512
QUALITY: Final = 82


def thumbnail(png: bytes) -> bytes:
    """WebP of at most 512 pixels a side, without metadata."""
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB")
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    encoded = io.BytesIO()
    small.save(encoded, "WEBP", quality=QUALITY, method=2)
    return encoded.getvalue()
