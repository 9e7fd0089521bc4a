"""Pictures on disk."""

import errno
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from app.domain.errors import NotFoundError
from app.domain.ports import PictureNotKeptError, PictureRecipe
from app.storage import vault as vault_module
from app.storage.initial_password import InitialPasswordFile
from app.storage.vault import FileVault

FACTS = {"model": "demo"}
# What the engine made beside the picture.
SMALL = b"RIFF" + (8).to_bytes(4, "little") + b"WEBPVP8 "


def recipe(**changes: object) -> PictureRecipe:
    fields: dict[str, object] = {
        "picture_id": "0123456789abcdef",
        "username": "mei",
        "local_time": datetime(2026, 11, 23, 9, 8, 7, tzinfo=UTC),
        "prompt": "a red circle",
        "negative_prompt": "",
        "width": 64,
        "height": 32,
        "steps": 8,
        "guidance_scale": 0.0,
        "seed": 42,
    }
    return PictureRecipe(**(fields | changes))  # type: ignore[arg-type]  # the fields above


@pytest.fixture
def png() -> bytes:
    encoded = io.BytesIO()
    Image.radial_gradient("L").resize((64, 32)).convert("RGB").save(encoded, "PNG")
    return encoded.getvalue()


@pytest.fixture
def vault(tmp_path: Path) -> FileVault:
    return FileVault(tmp_path / "outputs", tmp_path / "thumbs", tmp_path / "strays")


def test_a_kept_picture_has_the_same_pixels_and_says_how_it_was_made(vault: FileVault, png: bytes) -> None:
    stored = vault.keep(recipe(negative_prompt="blue"), png, SMALL, FACTS)

    assert stored.path == "mei/2026-11-23/090807_42_0123456789abcdef.png"
    with Image.open(vault.original(stored.path)) as kept, Image.open(io.BytesIO(png)) as given:
        kept.load()
        assert kept.tobytes() == given.tobytes()
        text = kept.text["parameters"]  # type: ignore[attr-defined]  # PngImageFile has it
    assert text == (
        "a red circle\nNegative prompt: blue\n"
        "Steps: 8, Sampler: Euler flow match, CFG scale: 0, Seed: 42, Size: 64x32, Model: demo"
    )


def test_a_second_try_replaces_its_own_file(vault: FileVault, png: bytes) -> None:
    assert vault.keep(recipe(), png, SMALL, FACTS) == vault.keep(recipe(), png, SMALL, FACTS)
    assert len(vault.paths()) == 1


def test_a_full_disk_leaves_nothing_behind(
    vault: FileVault, png: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(vault_module, "write_whole", full)
    with pytest.raises(PictureNotKeptError) as refused:
        vault.keep(recipe(), png, SMALL, FACTS)
    assert refused.value.code == "disk-full"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_in_place_of_the_folder_is_one_more_reason_not_to_keep_a_picture(
    vault: FileVault, png: bytes, tmp_path: Path
) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/mei").write_text("no folder")
    with pytest.raises(PictureNotKeptError) as refused:
        vault.keep(recipe(), png, SMALL, FACTS)
    assert refused.value.code == "storage-error"
    vault.discard(vault.path_of(recipe()), recipe().picture_id)


def test_half_written_files_are_swept_away(vault: FileVault, png: bytes, tmp_path: Path) -> None:
    stored = vault.keep(recipe(), png, SMALL, FACTS)
    (tmp_path / "outputs/mei/2026-11-23/.090807_43_x.png.0a1b2c3d.part").write_bytes(b"half")
    assert vault.sweep(timedelta()) == 1
    assert vault.paths() == {stored.path}


@pytest.mark.parametrize("left", [None, b"", SMALL[:-1], bytes(len(SMALL))])
def test_a_thumbnail_that_is_lost_or_not_whole_is_made_again(vault: FileVault, png: bytes, left: bytes | None) -> None:
    stored = vault.keep(recipe(), png, SMALL, FACTS)
    kept = vault.thumbnail(stored.path, "0123456789abcdef")
    assert kept.read_bytes() == SMALL
    if left is None:
        kept.unlink()
    else:
        kept.write_bytes(left)
    with Image.open(vault.thumbnail(stored.path, "0123456789abcdef")) as again:
        assert again.format == "WEBP"


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "mei/../../secret.png", "mei/none.png"])
def test_nothing_outside_the_outputs_is_ever_found(vault: FileVault, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    with pytest.raises(NotFoundError):
        vault.original(path)


def test_the_first_password_is_for_the_servers_own_user_only(tmp_path: Path) -> None:
    file = InitialPasswordFile(tmp_path / "initial-admin-password")
    file.keep("secret words")
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.forget("other words".__eq__)
    assert file.kept()
    file.forget("secret words".__eq__)
    assert not file.kept()
