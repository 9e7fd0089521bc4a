"""LoRAs on the true transformer: the library's own picture, the base untouched, every unfit file a clear refusal."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from app.domain.loras import Lora, LoraUse
from app.domain.ports import EngineRequest, EngineRunError, StepDone
from app.engine import wire
from app.engine.core import adapters, batching, levers
from app.engine.core.devices import pick_device
from app.engine.core.loader import load_pipeline
from app.engine.core.untyped import ZImagePipeline
from app.engine.loras import LoraFolder
from tests.engine.core.painting import Easel, octets_of, pictures_of
from tests.engine.test_contract import REQUEST

# The library's own use, which the test compares with, warns that there are several.
pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config`", "ignore:Adapter .* was active")

PARTS = ("to_q", "to_k", "to_v", "to_out.0")


@pytest.fixture(scope="module")
def fresh(demo: Path) -> ZImagePipeline:
    """Its own: adapters leave their layers behind."""
    return load_pipeline(demo, pick_device("cpu"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "loras").mkdir()
    return tmp_path / "loras"


@pytest.fixture
def easel(fresh: ZImagePipeline, folder: Path) -> Easel:
    for name in list(getattr(fresh.transformer, "peft_config", None) or {}):
        fresh.delete_adapters(name)
    return Easel(fresh, most=4, models=folder.parent)


def weights(pipeline: ZImagePipeline, seed: int, *, rank: int = 4, prefix: str = "transformer.") -> dict[str, Tensor]:
    """Of every attention's four matrices, as a training would save them, only random and strong."""
    generator = torch.Generator().manual_seed(seed)
    made: dict[str, Tensor] = {}
    for name, layer in pipeline.transformer.named_modules():
        if name.startswith("layers.") and name.endswith(PARTS) and hasattr(layer, "in_features"):
            made[f"{prefix}{name}.lora_A.weight"] = torch.randn(rank, layer.in_features, generator=generator) * 0.3
            made[f"{prefix}{name}.lora_B.weight"] = torch.randn(layer.out_features, rank, generator=generator) * 0.3
    return made


def using(*loras: tuple[str, float]) -> EngineRequest:
    return replace(REQUEST, loras=tuple(LoraUse(name=name, strength=strength) for name, strength in loras))


def test_the_picture_is_the_librarys_own_and_the_next_one_is_as_if_there_had_been_none(
    easel: Easel, fresh: ZImagePipeline, folder: Path, demo: Path
) -> None:
    save_file(weights(fresh, 1), folder / "ink.safetensors")
    save_file(weights(fresh, 2), folder / "glow.safetensors")
    before = easel.make(REQUEST)
    ours = easel.make(using(("ink", 0.8), ("glow", -0.5)))
    assert easel.make(REQUEST) == before
    assert easel.make(using(("ink", 0.0))) == before
    plain = load_pipeline(demo, pick_device("cpu"))
    for name in ("ink", "glow"):
        plain.load_lora_weights(folder, weight_name=f"{name}.safetensors", adapter_name=name)
    plain.set_adapters(["ink", "glow"], [0.8, -0.5])
    theirs = plain(
        prompt=REQUEST.prompt,
        height=256,
        width=256,
        num_inference_steps=2,
        guidance_scale=0.0,
        generator=torch.Generator("cpu").manual_seed(1),
    ).images[0]
    difference = np.abs(octets_of(ours).astype(int) - np.asarray(theirs))
    assert difference.max() <= 1
    assert np.abs(octets_of(ours).astype(int) - octets_of(before)).mean() > 5


def test_pictures_of_other_loras_share_no_step_and_those_of_the_same_do(
    easel: Easel, fresh: ZImagePipeline, folder: Path
) -> None:
    for seed, name in enumerate(("ink", "glow")):
        save_file(weights(fresh, seed), folder / f"{name}.safetensors")
    requests = [using(("ink", 0.8)), using(("glow", 0.8)), REQUEST, using(("ink", 0.8)), using(("ink", 0.4))]
    alone = [easel.make(request) for request in requests]
    runs = [easel.order(request) for request in requests]
    said = [each for each in easel.finish(len(runs)) if isinstance(each, wire.Happened)]
    shared = {
        each.run_id: each.event.shared for each in said if isinstance(each.event, StepDone) and each.event.step == 1
    }
    assert [shared[run] for run in runs] == [2, 1, 1, 2, 1]
    for run, picture in zip(runs, alone, strict=True):
        (own,) = pictures_of([each for each in said if each.run_id == run])
        assert np.abs(octets_of(own.png).astype(int) - octets_of(picture)).max() <= 1


def test_the_dispatcher_sends_no_job_to_join_others_with_other_loras() -> None:
    assert batching.has_room([using(("ink", 0.8))], using(("ink", 0.8)), 4)
    assert not batching.has_room([using(("ink", 0.8))], using(("ink", 0.7)), 4)
    assert not batching.has_room([REQUEST], using(("ink", 0.8)), 4)


def test_the_facts_say_which_file_it_was(easel: Easel, fresh: ZImagePipeline, folder: Path) -> None:
    file = folder / "ink.safetensors"
    save_file(weights(fresh, 1), file)
    easel.order(using(("ink", 0.8)))
    (picture,) = pictures_of(easel.finish(1))
    assert picture.facts["loras"] == f"ink:{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
    easel.order(REQUEST)
    (picture,) = pictures_of(easel.finish(1))
    assert "loras" not in picture.facts


def kohyas(made: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same in the names of kohya's scripts, with the scale that they write beside it."""
    found: dict[str, Tensor] = {}
    for name, matrix in made.items():
        layer, _, rest = name.removeprefix("transformer.").partition(".lora_")
        label = f"lora_unet_{layer.replace('.', '_')}"
        found[f"{label}.lora_{'down' if rest.startswith('A') else 'up'}.weight"] = matrix
        found[f"{label}.alpha"] = torch.tensor(4.0)
    return found


def test_files_of_other_programs_are_the_same_lora(easel: Easel, fresh: ZImagePipeline, folder: Path) -> None:
    save_file(weights(fresh, 1), folder / "plain.safetensors")
    save_file(weights(fresh, 1, prefix="diffusion_model."), folder / "comfy.safetensors")
    save_file(kohyas(weights(fresh, 1)), folder / "kohya.safetensors")
    plain = easel.make(using(("plain", 0.8)))
    assert easel.make(using(("comfy", 0.8))) == plain
    assert np.abs(octets_of(easel.make(using(("kohya", 0.8)))).astype(int) - octets_of(plain)).max() <= 1


def test_a_file_with_another_content_is_another_lora(easel: Easel, fresh: ZImagePipeline, folder: Path) -> None:
    file = folder / "ink.safetensors"
    save_file(weights(fresh, 1), file)
    first = easel.make(using(("ink", 0.8)))
    save_file(weights(fresh, 2, rank=8), file)
    assert easel.make(using(("ink", 0.8))) != first
    save_file(weights(fresh, 1), file)
    assert easel.make(using(("ink", 0.8))) == first


def spoil(made: dict[str, Tensor], **change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    (end, how), *_ = change.items()
    name = next(name for name in made if name.endswith(f"lora_{end}.weight"))
    return made | {name: how(made[name]).contiguous()}


SPOILED: dict[str, Callable[[ZImagePipeline], dict[str, Tensor]]] = {
    "too wide": lambda pipeline: spoil(weights(pipeline, 1), A=lambda each: torch.cat([each, each], dim=1)),
    "too high": lambda pipeline: spoil(weights(pipeline, 1), B=lambda each: torch.cat([each, each], dim=0)),
    "two ranks": lambda pipeline: spoil(weights(pipeline, 1), B=lambda each: torch.cat([each, each], dim=1)),
    "another model's": lambda _: {
        "transformer.single_blocks.0.attn.to_q.lora_A.weight": torch.zeros(4, 64),
        "transformer.single_blocks.0.attn.to_q.lora_B.weight": torch.zeros(64, 4),
    },
    "one layer too many": lambda pipeline: (
        weights(pipeline, 1)
        | {
            "transformer.layers.99.attention.to_q.lora_A.weight": torch.zeros(4, 64),
            "transformer.layers.99.attention.to_q.lora_B.weight": torch.zeros(64, 4),
        }
    ),
    "half of one": lambda pipeline: {k: v for k, v in weights(pipeline, 1).items() if "lora_A" in k},
    "a text encoder's": lambda _: {"text_encoder.layers.0.q.lora_A.weight": torch.zeros(4, 64)},
    "no adapter": lambda _: {"transformer.layers.0.attention.to_q.weight": torch.zeros(4, 4)},
    "kohya's of another model": lambda _: {
        "lora_unet_double_blocks_0_img_attn.lora_down.weight": torch.zeros(4, 64),
        "lora_unet_double_blocks_0_img_attn.lora_up.weight": torch.zeros(64, 4),
        "lora_unet_double_blocks_0_img_attn.alpha": torch.tensor(4.0),
    },
}


def test_files_that_do_not_fit_fail_their_jobs_and_leave_nothing_behind(
    easel: Easel, fresh: ZImagePipeline, folder: Path
) -> None:
    save_file(weights(fresh, 1), folder / "good.safetensors")
    before, good = easel.make(REQUEST), easel.make(using(("good", 0.8)))
    kept = set(fresh.transformer.peft_config)
    for kind, made in SPOILED.items():
        save_file(made(fresh), folder / "bad.safetensors")
        with pytest.raises(EngineRunError) as failure:
            easel.make(using(("good", 0.8), ("bad", 0.8)))
        assert failure.value.code == "lora-unusable", kind
        assert set(fresh.transformer.peft_config) == kept, kind
    assert easel.make(REQUEST) == before
    assert easel.make(using(("good", 0.8))) == good


@pytest.mark.parametrize("cut", [0, 4, 200, -1])
def test_a_file_that_is_not_whole_or_gone_fails_its_job(
    easel: Easel, fresh: ZImagePipeline, folder: Path, cut: int
) -> None:
    file = folder / "ink.safetensors"
    save_file(weights(fresh, 1), file)
    file.write_bytes(file.read_bytes()[:cut])
    for name in ("ink", "gone"):
        with pytest.raises(EngineRunError) as failure:
            easel.make(using((name, 0.8)))
        assert failure.value.code == "lora-unusable"
    assert easel.make(REQUEST)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(), RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")])
def test_a_lack_of_memory_is_neither_the_files_nor_the_pictures_fault(
    easel: Easel, fresh: ZImagePipeline, folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    save_file(weights(fresh, 1), folder / "ink.safetensors")
    tries = []

    def fail(*_: object, **__: object) -> None:
        tries.append(1)
        raise error

    largest = easel.painter.thrift.largest_side
    with monkeypatch.context() as patch:
        patch.setattr(fresh, "load_lora_weights", fail)
        with pytest.raises(EngineRunError) as failure:
            easel.make(replace(using(("ink", 0.8)), width=1024, height=1024))
    assert failure.value.code == "loras-too-large"
    assert len(tries) > 1  # with more of the memory free each time
    assert easel.painter.thrift.largest_side == largest
    assert easel.make(using(("ink", 0.8)))


def test_those_used_last_stay_and_the_others_leave(
    easel: Easel, fresh: ZImagePipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters, "MOST_KEPT", 2)
    for seed in range(4):
        save_file(weights(fresh, seed), folder / f"n{seed}.safetensors")
    for names in (("n0",), ("n1",), ("n0",), ("n2",)):
        easel.make(using(*((name, 0.8) for name in names)))
    assert len(fresh.transformer.peft_config) == 2
    first = easel.make(using(("n1", 0.8)))
    assert easel.make(using(("n0", 0.8), ("n1", 0.8), ("n2", 0.8), ("n3", 0.8)))
    assert easel.make(using(("n1", 0.8))) == first
    assert len(fresh.transformer.peft_config) == 2


def test_the_list_says_what_the_files_and_those_beside_them_say(folder: Path) -> None:
    nothing = {"x.lora_A.weight": torch.zeros(1, 1)}
    phrase = {"modelspec.title": "Ink \x07wash", "modelspec.trigger_phrase": "inkwash style"}
    save_file(nothing, folder / "ink.safetensors", metadata=phrase)
    save_file(nothing, folder / "glow.safetensors", metadata=phrase)
    (folder / "glow.json").write_text(json.dumps({"title": "Glow", "triggers": ["glowing", 3, "neon"]}))
    save_file(nothing, folder / "bare (v2).safetensors")
    (folder / "bare (v2).json").write_text("{")
    (folder / "broken.safetensors").write_bytes(b"no")
    save_file(nothing, folder / ".hidden.safetensors")
    save_file(nothing, folder / "a,b.safetensors")
    (folder / "pickle.pt").write_bytes(b"no")
    (folder / "folder.safetensors").mkdir()
    assert LoraFolder(folder.parent).list() == (
        Lora(name="bare (v2)", title="bare (v2)"),
        Lora(name="broken", title="broken"),
        Lora(name="glow", title="Glow", triggers=("glowing", "neon")),
        Lora(name="ink", title="Ink ?wash", triggers=("inkwash style",)),
    )


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    assert LoraFolder(tmp_path).list() == ()
    assert LoraFolder(tmp_path).find("../demo/transformer/diffusion_pytorch_model") is None


def test_on_weights_that_lie_there_in_fp8_an_adapter_keeps_its_own_numbers(
    fresh: ZImagePipeline, folder: Path, demo: Path
) -> None:
    save_file(weights(fresh, 1), folder / "ink.safetensors")
    rounded = load_pipeline(demo, pick_device("cpu"))
    levers.round_storage(rounded.transformer)
    narrow, wide = (Easel(each, models=folder.parent) for each in (rounded, load_pipeline(demo, pick_device("cpu"))))
    plain, painted, expected = (
        octets_of(each.make(request)).astype(float)
        for each, request in ((narrow, REQUEST), (narrow, using(("ink", 0.8))), (wide, using(("ink", 0.8))))
    )
    assert np.abs(painted - expected).mean() < np.abs(painted - plain).mean() / 2
