"""Whole and broken model folders."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.engine.core.failures import LoadError
from app.engine.core.folder import check_folder, revision_of
from app.engine.core.origin import ORIGIN
from app.messages import LANGUAGES, translate
from tests.engine.core.files import detail_of


@pytest.fixture
def folder(tmp_path: Path, demo: Path) -> Path:
    return Path(shutil.copytree(demo, tmp_path / "model"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_demo_model_is_whole_and_small(demo: Path) -> None:
    check_folder(demo)
    assert sum(path.stat().st_size for path in demo.rglob("*") if path.is_file()) <= 15_000_000


INDEX = "model_index.json"
WEIGHTS = "text_encoder/model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
SHARDS = '{"weight_map": {"w": "2.safetensors"}}'


@pytest.mark.parametrize(
    ("harm", "detail"),
    [
        (lambda f: (f / INDEX).unlink(), "model_index.json is missing"),
        (lambda f: (f / INDEX).write_text("{"), "model_index.json is no JSON object"),
        (lambda f: edit(f / INDEX, _class_name="Flux"), "model_index.json is of Flux, not of ZImagePipeline"),
        (lambda f: edit(f / INDEX, vae=["evil", "Code"]), "model_index.json: unusable entry vae"),
        (lambda f: shutil.rmtree(f / "scheduler"), "scheduler/scheduler_config.json is missing"),
        (lambda f: (f / "tokenizer/tokenizer.json").unlink(), "tokenizer/vocab.json is missing"),
        (lambda f: (f / WEIGHTS).unlink(), "text_encoder/*.safetensors is missing"),
        (lambda f: (f / VAE).rename(f / "vae/diffusion_pytorch_model.bin"), "vae/*.safetensors is missing"),
        (lambda f: (f / WEIGHTS).write_bytes(b"x" * 99), f"{WEIGHTS} is no safetensors file"),
        (lambda f: (f / f"{WEIGHTS}.index.json").write_text(SHARDS), "text_encoder/2.safetensors is missing"),
    ],
)
def test_a_broken_folder_is_refused_with_what_is_wrong(
    folder: Path, harm: Callable[[Path], object], detail: str
) -> None:
    """Pitfall peers §d2.19: a model that is code: pickles, or classes of its own."""
    harm(folder)
    with pytest.raises(LoadError) as failure:
        check_folder(folder)
    assert failure.value.reason == "engine.broken-model"
    assert failure.value.params["folder"] == str(folder)
    assert detail_of(failure.value.params) == detail
    told = {language: translate(language, failure.value.reason, **failure.value.params) for language in LANGUAGES}
    assert told["en"] == f"The model's files cannot be used: {detail}."
    assert detail not in told["zh-CN"]
    assert not failure.value.retry


def test_the_revision_changes_with_the_weights_and_the_configuration(folder: Path, demo: Path) -> None:
    before = revision_of(folder)
    assert before == revision_of(demo)
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    retrained = revision_of(folder)
    edit(folder / "scheduler" / "scheduler_config.json", shift=4.0)
    assert len({before, retrained, revision_of(folder)}) == 3


def test_the_revision_of_a_download_begins_with_the_commit_of_the_hub_and_changes_with_its_files(folder: Path) -> None:
    here = revision_of(folder)
    (folder / ORIGIN).write_text('{"revision": "0123456789abcdef0123"}')
    assert revision_of(folder) == f"0123456789ab+{here}"
    edit(folder / "scheduler" / "scheduler_config.json", shift=4.0)
    assert revision_of(folder).startswith("0123456789ab+")
    assert not revision_of(folder).endswith(here)
    (folder / ORIGIN).write_text('{"revision": "master"}')  # as ModelScope calls whatever is there
    assert len(revision_of(folder)) == 12
