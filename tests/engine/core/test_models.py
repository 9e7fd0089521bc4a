"""Which model `--model` means."""

import shutil
from pathlib import Path

import pytest

from app.engine.core.failures import LoadError
from app.engine.core.models import TURBO, Choice, choose


def turbo(models: Path, demo: Path) -> Path:
    """A complete folder where the real model belongs."""
    folder = models / "Z-Image-Turbo"
    shutil.copytree(demo, folder)
    return folder


@pytest.mark.parametrize("cuda", [True, False])
def test_auto_takes_the_turbo_folder_if_it_is_complete(tmp_path: Path, demo: Path, *, cuda: bool) -> None:
    folder = turbo(tmp_path, demo)
    assert choose("auto", tmp_path, cuda=cuda) == Choice("Z-Image-Turbo", folder)


def test_auto_without_it_downloads_with_cuda(tmp_path: Path) -> None:
    assert choose("auto", tmp_path, cuda=True) == Choice("Z-Image-Turbo", tmp_path / "Z-Image-Turbo", TURBO)


def test_auto_without_it_is_the_demo_on_a_cpu(tmp_path: Path, demo: Path) -> None:
    choice = choose("auto", tmp_path, cuda=False)
    assert choice == Choice("demo", demo)
    assert choice.is_demo


def test_auto_does_not_take_a_folder_that_is_not_complete(tmp_path: Path, demo: Path) -> None:
    (turbo(tmp_path, demo) / "vae" / "config.json").unlink()
    assert choose("auto", tmp_path, cuda=True).repo == TURBO
    assert choose("auto", tmp_path, cuda=False).is_demo


def test_demo_ships_with_the_program_wherever_the_models_are(tmp_path: Path, demo: Path) -> None:
    assert choose("demo", tmp_path, cuda=True) == Choice("demo", demo)


def test_a_folder_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine" / "tuned").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    # It could be a hub id as well.
    assert choose("mine/tuned", tmp_path, cuda=False) == Choice("tuned", tmp_path / "mine" / "tuned")


def test_a_hub_id_is_downloaded_once_beside_the_other_models(tmp_path: Path, demo: Path) -> None:
    folder = tmp_path / "Z-Image"
    assert choose("Tongyi-MAI/Z-Image", tmp_path, cuda=False) == Choice("Z-Image", folder, "Tongyi-MAI/Z-Image")
    shutil.copytree(demo, folder)
    assert choose("Tongyi-MAI/Z-Image", tmp_path, cuda=False) == Choice("Z-Image", folder)


@pytest.mark.parametrize("model", ["nowhere", "/no/such/folder", "a/b/c", "org/..", "../x", "", "org/name\n"])
def test_anything_else_is_missing(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadError) as failure:
        choose(model, tmp_path, cuda=True)
    assert (failure.value.reason, failure.value.retry) == ("engine.model-missing", False)
