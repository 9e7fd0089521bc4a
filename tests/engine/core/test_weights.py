"""Transformers in one file: the same picture as out of the folder, or one clear reason."""

import math
import shutil
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from app.engine.core.devices import pick_device
from app.engine.core.facts import facts_of
from app.engine.core.failures import LoadError
from app.engine.core.loader import load_pipeline
from app.engine.core.models import choose, found_models
from app.engine.core.untyped import ZImagePipeline
from tests.engine.core.files import TRANSFORMER, detail_of, original, write_comfy, write_gguf

Pixels = np.ndarray[Any, np.dtype[np.float32]]


def paint(pipeline: ZImagePipeline) -> Pixels:
    made = pipeline(
        "a red circle on a blue background",
        height=256,
        width=256,
        num_inference_steps=4,
        guidance_scale=0.0,
        generator=torch.Generator().manual_seed(1),
        output_type="np",
    )
    pixels: Pixels = made.images[0]
    return pixels


@pytest.fixture(scope="module")
def expected(pipeline: ZImagePipeline) -> Pixels:
    return paint(pipeline)


def painted_with(file: Path, models_dir: Path) -> Pixels:
    choice = choose(str(file), models_dir, cuda=False)
    choice.check()
    return paint(load_pipeline(choice.folder, pick_device("cpu"), weights=choice.weights))


def likeness(found: Pixels, expected: Pixels) -> float:
    """PSNR in dB."""
    error = float(((found - expected) ** 2).mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def test_a_checkpoint_of_comfyui_paints_the_same_picture(tmp_path: Path, demo: Path, expected: Pixels) -> None:
    file = write_comfy(original(demo), tmp_path / "comfy.safetensors")
    assert np.array_equal(painted_with(file, tmp_path), expected)


def test_a_file_with_the_names_of_diffusers_paints_the_same_picture(
    tmp_path: Path, demo: Path, expected: Pixels
) -> None:
    file = shutil.copy(demo / TRANSFORMER, tmp_path / "plain.safetensors")
    assert np.array_equal(painted_with(Path(file), tmp_path), expected)


@pytest.mark.parametrize(
    ("kind", "least"),
    [(None, 100), (gguf.GGMLQuantizationType.Q8_0, 45), (gguf.GGMLQuantizationType.Q4_0, 25)],
    ids=["F32", "Q8_0", "Q4_0"],
)
def test_a_gguf_paints_nearly_the_same_picture(
    tmp_path: Path, demo: Path, expected: Pixels, kind: gguf.GGMLQuantizationType | None, least: float
) -> None:
    file = write_gguf(original(demo), tmp_path / "packed.gguf", kind)
    assert likeness(painted_with(file, tmp_path), expected) >= least


def test_the_other_parts_come_from_the_folder_whose_transformer_has_these_shapes(tmp_path: Path, demo: Path) -> None:
    file = write_gguf(original(demo), tmp_path / "mine.gguf")
    assert choose("mine.gguf", tmp_path, cuda=False).folder == demo
    turbo = tmp_path / "Z-Image-Turbo"
    shutil.copytree(demo, turbo)
    # 24 GB that nobody needs beside the file.
    (turbo / TRANSFORMER).unlink()
    choice = choose("mine.gguf", tmp_path, cuda=False)
    assert (choice.name, choice.folder, choice.weights) == ("mine.gguf", turbo, file)
    choice.check()
    facts = facts_of(choice.name, choice.folder, pick_device("cpu"), choice.weights)
    assert facts["model"] == "mine.gguf"
    assert len(facts["revision"]) == 25


def test_without_a_folder_that_fits_it_says_so(tmp_path: Path, demo: Path) -> None:
    tensors = original(demo)
    tensors["cap_embedder.1.weight"] = torch.zeros(3840, 2560)
    file = write_comfy(tensors, tmp_path / "real.safetensors")
    with pytest.raises(LoadError) as failure:
        choose(str(file), tmp_path, cuda=True)
    assert (failure.value.reason, failure.value.params) == ("engine.no-base", {"file": "real.safetensors"})


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1000)


@pytest.mark.parametrize("name", ["broken.safetensors", "broken.gguf"])
def test_a_file_that_is_cut_off_or_no_model_at_all_is_refused(tmp_path: Path, demo: Path, name: str) -> None:
    write = write_gguf if name.endswith("gguf") else write_comfy
    file = write(original(demo), tmp_path / name)
    cut(file)
    for content in (file.read_bytes(), b"nothing of that kind"):
        file.write_bytes(content)
        with pytest.raises(LoadError) as failure:
            choose(name, tmp_path, cuda=False)
        assert failure.value.reason == "engine.broken-model"
        assert name in detail_of(failure.value.params)


@pytest.mark.parametrize(
    ("harm", "detail"),
    [
        ({"vae.decoder": torch.zeros(1)}, "other.safetensors has no transformer of Z-Image"),
        (
            {"cap_embedder.1.weight": torch.zeros(1, 1), "layers.0.attention.qkv.scale_weight": torch.zeros(1)},
            "other.safetensors is quantised in a way that is not supported (layers.0.attention.qkv.scale_weight)",
        ),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_is_wrong(
    tmp_path: Path, harm: dict[str, torch.Tensor], detail: str
) -> None:
    save_file(harm, tmp_path / "other.safetensors")
    with pytest.raises(LoadError) as failure:
        choose("other.safetensors", tmp_path, cuda=False)
    assert detail_of(failure.value.params) == detail


@pytest.mark.parametrize("suffix", ["safetensors", "gguf"])
def test_a_tensor_that_is_missing_from_the_file_is_never_made_up(tmp_path: Path, demo: Path, suffix: str) -> None:
    tensors = load_file(demo / TRANSFORMER)
    del tensors["layers.2.attention.to_q.weight"]
    file = tmp_path / f"less.{suffix}"
    (write_gguf if suffix == "gguf" else write_comfy)(tensors, file)
    with pytest.raises(LoadError) as failure:
        painted_with(file, tmp_path)
    assert failure.value.reason == "engine.broken-model"
    assert not failure.value.retry


def test_what_is_found_in_the_folder_for_models_is_told_with_what_is_wrong(tmp_path: Path, demo: Path) -> None:
    write_gguf(original(demo), tmp_path / "b.gguf")
    (tmp_path / "c.safetensors").write_bytes(b"nothing")
    shutil.copytree(demo, tmp_path / "a")
    (tmp_path / "a" / "vae" / "config.json").unlink()
    shutil.copytree(demo, tmp_path / "d")
    shutil.copytree(demo, tmp_path / "e.partial")
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / ".hidden.gguf").write_bytes(b"")
    found = list(found_models(tmp_path))
    assert [(each.name, each.kind, each.reason) for each in found] == [
        ("demo", "demo", ""),
        ("a", "folder", "engine.broken-model"),
        ("b.gguf", "gguf", ""),
        ("c.safetensors", "file", "engine.broken-model"),
        ("d", "folder", ""),
    ]
    assert found[3].size == 7
    assert [each.name for each in found_models(tmp_path / "nowhere")] == ["demo"]


def test_the_demo_model_is_listed_once_wherever_the_folder_for_models_is(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo.parents[1])
    assert [each.name for each in found_models(Path("models"))].count("demo") == 1
    assert choose("models/demo", Path("models"), cuda=False).is_demo
