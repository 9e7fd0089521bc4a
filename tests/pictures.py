"""Files as people bring them."""

import io

from PIL import Image

SIZE = (320, 256)
SIDEWAYS = 6


def picture(*, mode: str = "RGB", kind: str = "PNG", sideways: bool = False) -> bytes:
    """Red at the left, blue at the right. `sideways` as a telephone stores it: turned, with a note and a place."""
    image = Image.new("RGB", SIZE, (200, 30, 30))
    image.paste((30, 30, 200), (SIZE[0] // 2, 0, *SIZE))
    exif = Image.Exif()
    if sideways:
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = SIDEWAYS
        exif[0x010F] = "Somebody's telephone"
    file = io.BytesIO()
    converted = image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)
    converted.save(file, kind, lossless=True, exif=exif)
    return file.getvalue()
