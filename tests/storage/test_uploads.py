"""Pictures that people bring along, on disk."""

import io
import os
import struct
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from app.domain.errors import NotFoundError
from app.domain.ports import PictureNotKeptError
from app.domain.uploads import KEPT, UnreadablePictureError
from app.storage import uploads as uploads_module
from app.storage.uploads import FileUploads
from tests.pictures import picture

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ID = "u0123456789abcde"


@pytest.fixture
def uploads(tmp_path: Path) -> FileUploads:
    return FileUploads(tmp_path / "uploads")


def keep(uploads: FileUploads, content: bytes, user_id: int = 1, upload_id: str = ID) -> Image.Image:
    with uploads.incoming() as file:
        file.write(content)
        size = uploads.keep(user_id, upload_id, file, NOW)
    kept = Image.open(io.BytesIO(uploads.read(user_id, upload_id)))
    assert kept.size == size
    return kept


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("sideways", [False, True])
def test_whatever_comes_is_kept_upright_and_without_a_word(uploads: FileUploads, kind: str, sideways: bool) -> None:  # noqa: FBT001
    kept = keep(uploads, picture(kind=kind, sideways=sideways))
    assert (kept.format, kept.mode, kept.size, kept.info) == ("PNG", "RGB", (320, 256), {})
    red, blue = kept.getpixel((40, 128)), kept.getpixel((280, 128))
    assert isinstance(red, tuple)
    assert isinstance(blue, tuple)
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    assert b"telephone" not in uploads.read(1, ID)


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        ("L", "PNG", "RGB"),
        ("P", "PNG", "RGB"),
        ("1", "PNG", "RGB"),
        ("RGBA", "PNG", "RGBA"),
        ("LA", "PNG", "RGBA"),
        ("I;16", "PNG", "RGB"),
        ("CMYK", "JPEG", "RGB"),
        ("RGBA", "WEBP", "RGB"),  # the library leaves out what is opaque everywhere
    ],
)
def test_every_kind_of_colours_is_kept_in_eight_bits(uploads: FileUploads, mode: str, kind: str, expected: str) -> None:
    assert keep(uploads, picture(mode=mode, kind=kind)).mode == expected


def test_sixteen_bits_of_grey_stay_grey(uploads: FileUploads) -> None:
    file = io.BytesIO()
    Image.new("I;16", (64, 64), 128 * 256).save(file, "PNG")
    assert keep(uploads, file.getvalue()).getpixel((10, 10)) == (128, 128, 128)


def bomb(width: int, height: int) -> bytes:
    """A small file with a large header."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(each)) + name + each + struct.pack(">I", zlib.crc32(name + each)) for name, each in chunks
    )


@pytest.mark.parametrize("sides", [(4097, 4096), (10_000, 10_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_by_the_header_alone(
    uploads: FileUploads, monkeypatch: pytest.MonkeyPatch, sides: tuple[int, int]
) -> None:
    def decode(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Image.Image, "load", decode)
    with pytest.raises(UnreadablePictureError) as refusal:
        keep(uploads, bomb(*sides))
    assert refusal.value.too_large
    assert not list(uploads.of_user(1))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        picture()[:300],
        picture(kind="JPEG")[:900],
        picture(kind="WEBP")[:60],
        bomb(0, 10),
        bomb(320, 256),
    ],
    ids=["nothing", "gif", "svg", "png", "jpeg", "webp", "no width", "no pixels"],
)
def test_what_is_no_whole_picture_is_refused_and_leaves_nothing(uploads: FileUploads, content: bytes) -> None:
    with pytest.raises(UnreadablePictureError) as refusal:
        keep(uploads, content)
    assert not refusal.value.too_large
    assert not uploads.of_user(1)


def test_what_arrives_has_no_name_and_is_gone_without_being_kept(uploads: FileUploads, tmp_path: Path) -> None:
    with uploads.incoming() as file:
        file.write(picture())
        assert list((tmp_path / "uploads").iterdir()) == []


def test_a_full_disk_keeps_nothing(uploads: FileUploads, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(uploads_module, "write_whole", fail)
    with pytest.raises(PictureNotKeptError) as failure:
        keep(uploads, picture())
    assert failure.value.code == "disk-full"
    assert not uploads.of_user(1)


def test_it_is_of_use_for_a_day_after_it_was_named(uploads: FileUploads) -> None:
    keep(uploads, picture())
    assert not uploads.use(2, ID, NOW)
    assert uploads.use(1, ID, NOW + KEPT - timedelta(seconds=1))
    assert uploads.use(1, ID, NOW + 2 * KEPT - timedelta(seconds=2))
    assert not uploads.use(1, ID, NOW + 4 * KEPT)
    (kept,) = uploads.of_user(1)
    assert kept.used_at == NOW + 2 * KEPT - timedelta(seconds=2)
    assert uploads.discard(1, ID)
    assert not uploads.discard(1, ID)
    assert not uploads.use(1, ID, NOW)


def test_a_name_leads_nowhere_else(uploads: FileUploads, tmp_path: Path) -> None:
    keep(uploads, picture())
    (tmp_path / "secret.png").write_bytes(b"x")
    for name in ("../../secret", "../2/u0123456789abcde", "u0123456789ABCDE", ""):
        with pytest.raises(NotFoundError):
            uploads.read(1, name)
        with pytest.raises(NotFoundError):
            uploads.discard(1, name)
    with pytest.raises(NotFoundError):
        uploads.read(2, ID)


def test_uploads_of_all_are_listed_by_user_and_parts_are_swept(uploads: FileUploads, tmp_path: Path) -> None:
    assert uploads.of_all() == {}
    assert uploads.sweep(timedelta()) == 0
    keep(uploads, picture())
    keep(uploads, picture(), 7)
    (tmp_path / "uploads" / "7" / "note.png").write_bytes(b"not ours")
    (tmp_path / "uploads" / "lost+found").mkdir()
    part = tmp_path / "uploads" / "7" / ".x.png.0.part"
    part.write_bytes(b"half")
    os.utime(part, (0, 0))
    assert {user: [each.id for each in kept] for user, kept in uploads.of_all().items()} == {1: [ID], 7: [ID]}
    assert uploads.sweep(timedelta(hours=1)) == 1
