"""What is not whole or does not fit is refused, whichever library would have let it pass."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from app.engine.core.devices import pick_device
from app.engine.core.failures import LoadError
from app.engine.core.loader import load_pipeline
from tests.engine.core.files import detail_of

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"

Tensors = dict[str, torch.Tensor]


@pytest.fixture
def folder(tmp_path: Path, demo: Path) -> Path:
    shutil.copytree(demo, tmp_path / "model")
    return tmp_path / "model"


def reason_of(folder: Path) -> str:
    with pytest.raises(LoadError) as failure:
        load_pipeline(folder, pick_device("cpu"))
    assert failure.value.reason == "engine.broken-model"
    assert not failure.value.retry
    return detail_of(failure.value.params)


def change(path: Path, harm: Callable[[Tensors], object]) -> None:
    tensors = load_file(path)
    harm(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (TRANSFORMER, "layers.2.attention.to_q.weight"),
        (VAE, "decoder.conv_in.weight"),
        (TEXT, "layers.1.self_attn.v_proj.weight"),
    ],
)
def test_a_tensor_that_is_missing_is_named_and_never_made_up(folder: Path, file: str, name: str) -> None:
    change(folder / file, lambda tensors: tensors.pop(name))
    assert reason_of(folder) == f"{file.partition('/')[0]} lacks 1 of its tensors, {name} among them"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (TRANSFORMER, "layers.2.attention.to_q.weight"),
        (VAE, "decoder.conv_in.weight"),
        (TEXT, "layers.1.self_attn.v_proj.weight"),
    ],
)
def test_a_tensor_of_another_shape_is_refused(folder: Path, file: str, name: str) -> None:
    change(folder / file, lambda tensors: tensors.update({name: tensors[name][:-1].contiguous()}))
    assert reason_of(folder)


def test_a_tensor_more_than_is_needed_does_no_harm(folder: Path) -> None:
    change(folder / TRANSFORMER, lambda tensors: tensors.update(stranger=torch.zeros(1)))
    assert load_pipeline(folder, pick_device("cpu")).transformer is not None
