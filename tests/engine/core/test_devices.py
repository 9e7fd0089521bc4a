"""Devices and their numbers, on machines with and without CUDA."""

import pytest
import torch

from app.engine.core.devices import pick_device
from app.engine.core.failures import LoadError


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cards, the second too old for bfloat16."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number: ((9, 0), (7, 0))[number])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: ("NVIDIA H100", "Tesla V100")[number])


@pytest.mark.usefixtures("cards")
@pytest.mark.parametrize(
    ("wanted", "name", "dtype"),
    [
        ("auto", "cuda:0", torch.bfloat16),
        ("cuda", "cuda:0", torch.bfloat16),
        ("cuda:1", "cuda:1", torch.float32),
        ("cpu", "cpu", torch.float32),
    ],
)
def test_cuda_computes_in_bfloat16_where_it_can_and_nothing_in_float16(
    wanted: str, name: str, dtype: torch.dtype
) -> None:
    device = pick_device(wanted)
    assert (device.name, device.dtype, device.is_cuda) == (name, dtype, name != "cpu")


@pytest.mark.usefixtures("cards")
def test_a_card_that_is_not_there_is_refused() -> None:
    with pytest.raises(LoadError) as failure:
        pick_device("cuda:2")
    assert (failure.value.reason, failure.value.params) == ("engine.no-cuda", {"device": "cuda:2", "found": 2})


def test_without_cuda_auto_is_the_cpu_and_cuda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").name == "cpu"
    with pytest.raises(LoadError):
        pick_device("cuda")
