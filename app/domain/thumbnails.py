"""What a thumbnail is, for the engine that makes it beside the picture and the storage that makes a lost one again."""

from typing import Final

LONGEST_SIDE: Final = 512
FORMAT: Final = "WEBP"
QUALITY: Final = 82
METHOD: Final = 2
"""Of WebP's encoder: 0 is the fastest, 6 the smallest."""
REDUCING_GAP: Final = 2.0
"""Of Pillow's `thumbnail`: scaled in two passes, the first of them fast, to twice the size."""
