"""What the demo model is trained with: the true forward pass, codes that mean what is drawn, runs that go on."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.engine.core.untyped import ZImagePipeline
from scripts.demo import codes, flow, forward, networks, reading, scenes, sizes, training


def test_the_fast_forward_pass_gives_the_true_ones_values(pipeline: ZImagePipeline) -> None:
    rows, columns = 18, 21
    caption = reading.read(
        reading.Readers(pipeline.tokenizer, pipeline.text_encoder), ["a red circle", "一个蓝色的圆形,白色背景"]
    )
    sigma = torch.tensor([0.7, 0.3])
    latents = torch.randn((2, 16, rows * 2, columns * 2), generator=torch.Generator().manual_seed(1))
    texts = [row[:length] for row, length in zip(caption.features, caption.lengths.tolist(), strict=True)]
    fast = networks.transformer()
    fast.load_state_dict(pipeline.transformer.state_dict())
    forward.make_fast(fast)
    spare = -rows * columns % sizes.PAD
    tokens = latents.view(2, 16, rows, 2, columns, 2).permute(0, 2, 4, 3, 5, 1).reshape(2, rows * columns, -1)
    padded = torch.cat([tokens, torch.zeros(2, spare, 64)], dim=1)
    with torch.inference_mode():
        true = pipeline.transformer(list(latents.unsqueeze(2)), 1 - sigma, texts, return_dict=False)[0]
        made = forward.velocity(fast, padded, sizes.stack([sizes.all_of(rows, columns)] * 2), sigma, caption)
    made = made[:, : rows * columns].view(2, rows, columns, 2, 2, 16).permute(0, 5, 1, 3, 2, 4)
    assert torch.allclose(made.reshape(latents.shape), torch.stack(true).squeeze(2), atol=1e-4)


def test_a_cells_code_begins_with_its_mean_colour() -> None:
    chance = random.Random(5)
    picture = scenes.arrange(scenes.sample(chance), 256, 320, chance)
    cells = torch.cartesian_prod(torch.arange(32), torch.arange(40))
    said = codes.codes(picture, cells)[0][:, :3] * codes.COLOUR_SPREAD
    drawn = torch.nn.functional.avg_pool2d(scenes.draw(picture), codes.CELL).flatten(1).T
    assert (said - drawn).abs().max() < 0.15
    assert (said - drawn).abs().mean() < 0.005


def test_a_part_of_a_picture_is_told_like_the_whole() -> None:
    chance = random.Random(6)
    picture = scenes.arrange(scenes.sample(chance), 512, 512, chance)
    part = sizes.part(chance, 96, (32, 32))
    whole = sizes.all_of(32, 32)
    latents, _ = codes.of_tokens(picture, whole.places[0])
    for place, row in zip(part.places[0], codes.of_tokens(picture, part.places[0])[0], strict=True):
        assert torch.equal(row, latents[int(place[0]) * 32 + int(place[1])])
    assert float(part.weights) == pytest.approx(32 * 32 / 96)


def test_the_cells_of_a_whole_picture_lie_where_they_belong() -> None:
    chance = random.Random(7)
    picture = scenes.arrange(scenes.sample(chance), 256, 320)
    canvas = sizes.all_of(16, 20)
    tokens, _ = codes.of_tokens(picture, canvas.places[0])
    one_by_one, _ = codes.codes(picture, torch.cartesian_prod(torch.arange(32), torch.arange(40)))
    assert torch.equal(codes.as_cells(tokens[None], 16, 20)[0].flatten(0, 1), one_by_one)


def test_of_whole_pictures_what_is_ragged_is_worse_than_what_is_off(pipeline: ZImagePipeline) -> None:
    readers = reading.Readers(pipeline.tokenizer, pipeline.text_encoder)
    batch = flow.Scenes(readers, seed=1, start=0, whole_from=0).batch(0)
    sigma = torch.ones(len(batch.clean))
    off = torch.full_like(batch.clean, 0.5)
    ragged = off * torch.tensor([1.0, -1.0]).repeat_interleave(16).repeat(2)  # from each cell to the next
    assert flow.error_of(ragged, sigma, batch) > 2 * flow.error_of(off, sigma, batch)
    part = replace(batch, whole=False)
    assert flow.error_of(ragged, sigma, part) == pytest.approx(float(flow.error_of(off, sigma, part)))


def test_a_killed_run_goes_on_as_if_nothing_had_been(
    pipeline: ZImagePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "TOKENS", 256)
    monkeypatch.setattr(training, "SAVE_EVERY", 1)
    readers = reading.Readers(pipeline.tokenizer, pipeline.text_encoder)

    def run(file: Path, until: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(3)
        network = networks.transformer()
        plan = training.Plan(6, 3, file)
        learning = training.Training(network, plan)
        scenes_of = flow.Scenes(readers, plan.seed, learning.step, plan.whole_from)
        learning.run((scenes_of.batch(number) for number in range(learning.step, until)), lambda *_: None)
        return {name: weight.clone() for name, weight in network.state_dict().items()}

    straight = run(tmp_path / "straight.ckpt", 4)
    run(tmp_path / "killed.ckpt", 2)
    for name, weight in run(tmp_path / "killed.ckpt", 4).items():
        assert torch.equal(weight, straight[name]), name
