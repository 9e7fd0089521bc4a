"""Pictures that people bring along to begin with: the port to where they lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, Final, Protocol

MAX_BYTES: Final = 20 * 10**6
MAX_PIXELS: Final = 4096 * 4096
TYPES: Final = ("image/png", "image/jpeg", "image/webp")
# After it was sent, or named by a job.
KEPT: Final = timedelta(hours=24)
# Of one person at a time; as files they may be a few times as large as they were sent.
MOST: Final = 50
MOST_BYTES: Final = 500 * 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptUpload:
    """A picture that somebody has brought along, as it lies on the disk; `used_at` is when it was last asked for."""

    id: str
    size: int
    used_at: datetime


class UnreadablePictureError(Exception):
    """The bytes are no picture of a kind that is taken; `too_large` where it is one and has too many pixels."""

    def __init__(self, *, too_large: bool = False) -> None:
        self.too_large = too_large
        super().__init__()


class Uploads(Protocol):
    """Pictures that people bring along to begin with. Each belongs to one user; a file is there whole or not at all."""

    def incoming(self) -> BinaryIO:
        """A file without a name for what arrives; gone once it is closed, also by a crash."""

    def keep(self, user_id: int, upload_id: str, content: BinaryIO, at: datetime) -> tuple[int, int]:
        """Keep the picture that was sent, upright, without metadata; answers width and height.

        Raises UnreadablePictureError or PictureNotKeptError.
        """

    def read(self, user_id: int, upload_id: str) -> bytes:
        """The PNG. Raises NotFoundError."""

    def use(self, user_id: int, upload_id: str, at: datetime) -> bool:
        """Note that it was asked for; False if it is not there, or has not been asked for within KEPT."""

    def discard(self, user_id: int, upload_id: str) -> bool:
        """Whether it was there."""

    def sides(self, user_id: int, upload_id: str) -> tuple[int, int]:
        """Width and height. Raises NotFoundError, also for a file that cannot be read."""

    def of_user(self, user_id: int) -> tuple[KeptUpload, ...]: ...

    def of_all(self) -> Mapping[int, tuple[KeptUpload, ...]]:
        """By user."""

    def sweep(self, untouched: timedelta) -> int:
        """As `Vault.sweep`."""
