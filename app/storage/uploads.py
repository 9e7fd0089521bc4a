"""Pictures that people bring along: `<data>/uploads/<user id>/<upload id>.png`, touched whenever a job names one."""

import io
import os
import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, cast

from PIL import Image, ImageOps

from app.domain.editing import is_upload_id
from app.domain.errors import NotFoundError
from app.domain.ports import PictureNotKeptError
from app.domain.uploads import KEPT, MAX_PIXELS, KeptUpload, UnreadablePictureError
from app.storage.files import FULL, remove_parts, write_whole

FORMATS: Final = ("PNG", "JPEG", "WEBP")
# More costs more time than the disk gains.
PNG_LEVEL: Final = 1
SIXTEEN_BITS: Final = 256
_USER: Final = re.compile(r"[0-9]{1,18}")


class FileUploads:
    """The `Uploads` port on a local disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def incoming(self) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cast("BinaryIO", tempfile.TemporaryFile(dir=self._folder))

    def keep(self, user_id: int, upload_id: str, content: BinaryIO, at: datetime) -> tuple[int, int]:
        image = _read(content)
        file, path = io.BytesIO(), self._path(user_id, upload_id)
        image.save(file, "PNG", compress_level=PNG_LEVEL)
        try:
            write_whole(path, file.getvalue())
            _touch(path, at)
        except OSError as error:
            raise PictureNotKeptError("disk-full" if error.errno in FULL else "storage-error") from None
        return image.size

    def read(self, user_id: int, upload_id: str) -> bytes:
        try:
            return self._path(user_id, upload_id).read_bytes()
        except FileNotFoundError:
            raise NotFoundError from None

    def use(self, user_id: int, upload_id: str, at: datetime) -> bool:
        path = self._path(user_id, upload_id)
        try:
            if at - _used_at(path.stat()) >= KEPT:
                return False
            _touch(path, at)
        except FileNotFoundError:
            return False
        return True

    def discard(self, user_id: int, upload_id: str) -> bool:
        try:
            self._path(user_id, upload_id).unlink()
        except FileNotFoundError:
            return False
        return True

    def sides(self, user_id: int, upload_id: str) -> tuple[int, int]:
        try:
            with Image.open(self._path(user_id, upload_id)) as image:  # its header alone is read
                return image.size
        except OSError:  # also what is no picture any more
            raise NotFoundError from None

    def of_user(self, user_id: int) -> tuple[KeptUpload, ...]:
        found = []
        for path in (self._folder / str(user_id)).glob("*.png"):
            try:
                about = path.stat()
            except FileNotFoundError:
                continue
            if is_upload_id(path.stem):
                found.append(KeptUpload(id=path.stem, size=about.st_size, used_at=_used_at(about)))
        return tuple(found)

    def of_all(self) -> Mapping[int, tuple[KeptUpload, ...]]:
        users = [path.name for path in self._folder.glob("*") if path.is_dir() and _USER.fullmatch(path.name)]
        return {int(user): self.of_user(int(user)) for user in users}

    def sweep(self, untouched: timedelta) -> int:
        return remove_parts(self._folder, untouched.total_seconds()) if self._folder.is_dir() else 0

    def _path(self, user_id: int, upload_id: str) -> Path:
        if not is_upload_id(upload_id):
            raise NotFoundError
        return self._folder / str(user_id) / f"{upload_id}.png"


def _read(content: BinaryIO) -> Image.Image:
    """Upright, in 8 bits a colour, with its transparency and without a word of metadata.

    How large it is stands in its header, and is looked at before anything is decoded.
    """
    content.seek(0)
    try:
        with Image.open(content, formats=FORMATS) as image:
            _require_few_pixels(image)
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                upright = upright.point(lambda value: value / SIXTEEN_BITS).convert("L")
            plain = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except UnreadablePictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadablePictureError(too_large=True) from None
    except Exception:  # noqa: BLE001 - the decoders find wrong content in many ways, and none has a name of its own
        raise UnreadablePictureError from None
    plain.info.clear()
    return plain


def _require_few_pixels(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise UnreadablePictureError(too_large=True)


def _touch(path: Path, at: datetime) -> None:
    os.utime(path, (at.timestamp(), at.timestamp()))


def _used_at(about: os.stat_result) -> datetime:
    return datetime.fromtimestamp(about.st_mtime, UTC)
