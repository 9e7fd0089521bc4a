"""The pictures' place on disk: `<outputs>/<username>/<YYYY-MM-DD>/<HHMMSS>_<seed>_<image id>.png`."""

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from app.domain.errors import NotFoundError, UnavailableError
from app.domain.ports import PictureNotKeptError, PictureRecipe, StoredPicture
from app.storage.files import FULL, remove_parts, write_whole
from app.storage.metadata import parameters_text, recipe_json, with_text
from app.storage.thumbnails import is_whole
from app.storage.thumbnails import thumbnail as thumbnail_of

NAME: Final = re.compile(r"[0-9]{6}_[0-9]+_([0-9a-f]{16})\.png")


class FileVault:
    """The `Vault` port on a local disk. Thumbnails and what nobody knows live under the data directory."""

    def __init__(self, outputs_dir: Path, thumbnails_dir: Path, strays_dir: Path) -> None:
        self._outputs = outputs_dir.resolve()
        self._thumbnails = thumbnails_dir.resolve()
        self._strays = strays_dir.resolve()

    def path_of(self, recipe: PictureRecipe) -> str:
        moment = recipe.local_time
        name = f"{moment:%H%M%S}_{recipe.seed}_{recipe.picture_id}.png"
        return f"{recipe.username}/{moment:%Y-%m-%d}/{name}"

    def keep(self, recipe: PictureRecipe, png: bytes, thumbnail: bytes, facts: Mapping[str, str]) -> StoredPicture:
        texts = {"parameters": parameters_text(recipe, facts), "atelier": recipe_json(recipe, facts)}
        content = with_text(png, texts)
        path = self.path_of(recipe)
        try:
            write_whole(self._inside(path), content)
            write_whole(self._thumbnail(recipe.picture_id), thumbnail, durably=False)
        except OSError as error:
            # What made writing fail may well make this fail, and the job must end all the same.
            with contextlib.suppress(OSError):
                self.discard(path, recipe.picture_id)
            raise PictureNotKeptError("disk-full" if error.errno in FULL else "storage-error") from None
        return StoredPicture(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))

    def discard(self, path: str, picture_id: str) -> None:
        for file in (self._inside(path), self._thumbnail(picture_id)):
            # Not there, or a file stands where its folder should be.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                file.unlink()

    def original(self, path: str) -> Path:
        file = self._inside(path)
        if not file.is_file():
            raise NotFoundError
        return file

    def thumbnail(self, path: str, picture_id: str) -> Path:
        small = self._thumbnail(picture_id)
        if not is_whole(small):
            try:
                write_whole(small, thumbnail_of(self.original(path).read_bytes()))
            except OSError:
                raise UnavailableError from None
        return small

    def size(self, path: str) -> int | None:
        """Bytes on disk, None if the file is gone."""
        file = self._inside(path)
        return file.stat().st_size if file.is_file() else None

    def paths(self) -> frozenset[str]:
        """Every picture on disk."""
        return frozenset(path.relative_to(self._outputs).as_posix() for path in self._outputs.glob("*/*/*.png"))

    def of_days(self, days: Iterable[date]) -> Mapping[str, str]:
        found = {}
        for day in days:
            for file in self._outputs.glob(f"*/{day.isoformat()}/*.png"):
                if (named := NAME.fullmatch(file.name)) is not None:
                    found[named[1]] = file.relative_to(self._outputs).as_posix()
        return found

    def set_aside(self, path: str) -> None:
        target = self._strays / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self._inside(path), target)

    def sweep(self, untouched: timedelta) -> int:
        return sum(
            remove_parts(folder, untouched.total_seconds())
            for folder in (self._outputs, self._thumbnails)
            if folder.is_dir()
        )

    def _inside(self, path: str) -> Path:
        file = (self._outputs / path).resolve()
        if not file.is_relative_to(self._outputs):
            raise NotFoundError
        return file

    def _thumbnail(self, picture_id: str) -> Path:
        return self._thumbnails / picture_id[:2] / f"{picture_id}.webp"
