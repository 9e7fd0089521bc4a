"""Small WebP copies for galleries, where the engine's own was lost."""

import io

from PIL import Image

from app.domain.thumbnails import FORMAT, LONGEST_SIDE, METHOD, QUALITY, REDUCING_GAP


def thumbnail(png: bytes) -> bytes:
    """WebP of at most 512 pixels a side, without metadata."""
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB")
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    encoded = io.BytesIO()
    small.save(encoded, FORMAT, quality=QUALITY, method=METHOD)
    return encoded.getvalue()
