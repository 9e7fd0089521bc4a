"""What a thumbnail is, for the engine that makes it beside the picture and the storage that makes a lost one again."""

from typing import Final

LONGEST_SIDE: Final = 512
FORMAT: Final = "WEBP"
QUALITY: Final = 75
METHOD: Final = 0
"""Of WebP's encoder: 0 is the fastest, 6 the smallest."""
REDUCING_GAP: Final = 1.0
"""Of Pillow's `thumbnail`: means of whole blocks as far as those go, and only the rest is resampled: 1024 is done."""
