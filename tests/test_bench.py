"""`scripts/bench` measures what it says; what comes out is never judged here."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from app.engine.core.captions import drop_unread_layer
from app.engine.core.decoding import png
from app.engine.core.devices import Device
from scripts.benches import big_model, click, engine, levers, login, operations
from scripts.benches.photos import photo_like
from scripts.benches.spans import Spans

ROOT = Path(__file__).parents[1]
KINDS = ("known", "unknown")


def bench(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/bench", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wrong_logins_are_compared_by_flow_and_over_http() -> None:
    document: dict[str, Any] = json.loads(bench("login", "--rounds", "3", "--json"))
    assert (document["bench"], document["rounds"]) == ("login", 3)
    assert set(document["machine"]) == {"cores", "python", "system"}
    for way in (document["flow"], document["http"]):
        assert all(0 < way[kind]["median_ms"] <= way[kind]["p95_ms"] for kind in KINDS)
        assert way["ratio"] == pytest.approx(way["unknown"]["median_ms"] / way["known"]["median_ms"], abs=0.001)
        assert way["within_20_percent"] is (0.8 <= way["ratio"] <= 1.2)
    heading, flow, page, _ = login.table(document).splitlines()
    assert heading.split()[-5:] == ["unknown", "ratio", "within", "20", "%"]
    assert (flow.split()[0], page.split()[:2]) == ("flows.sign_in", ["POST", "/login"])
    assert document["within_20_percent"] is all(document[way]["within_20_percent"] for way in ("flow", "http"))


def test_the_queue_is_played_through_beside_first_come_first_served() -> None:
    sizes = {"--rounds": 1, "--people": 3, "--hog": 4, "--turns": 7, "--rows": 40, "--claims": 3}
    words = [str(part) for pair in sizes.items() for part in pair]
    document = json.loads(bench("queue", *words, "--databases", "sqlite", "--json"))
    assert document["bench"] == "queue"
    assert document["ours"].keys() == document["fifo"].keys()
    assert all(0 < document[kind]["jain_of_service"] <= 1 for kind in ("ours", "fifo"))
    # Both work through the same clicks.
    assert document["ours"]["hog_done_after"] >= document["fifo"]["hog_done_after"] > 0
    assert [each["expected_percent"] for each in document["weights"].values()] == [14.29, 28.57, 57.14]
    assert sum(each["percent"] for each in document["weights"].values()) == pytest.approx(100, abs=0.1)
    assert document["eta"]["others"]["promises"] > 0
    assert set(document["claim"]) == {"sqlite"}
    for spread in document["claim"]["sqlite"].values():
        assert 0 < spread["p50_ms"] <= spread["p95_ms"] <= spread["max_ms"]


def test_clicks_are_counted_from_when_they_were_due_and_a_full_gallery_is_opened() -> None:
    sizes = {"--people": 2, "--seconds": 1, "--burst": 1, "--pictures": 70}
    words = [str(part) for pair in sizes.items() for part in pair]
    document = json.loads(bench("store", *words, "--databases", "sqlite", "--json"))
    found = document["databases"]["sqlite"]
    assert set(found) == {"clicks", "clicks_beside_work", "burst", "gallery"}
    assert [found[name]["clicks"] for name in ("clicks", "clicks_beside_work")] == [2, 2]
    assert found["burst"]["per_second"] > 0
    assert [found[name]["refused"] for name in ("clicks", "clicks_beside_work", "burst")] == [0, 0, 0]
    assert all(0 < each["p50_ms"] <= each["p95_ms"] <= each["max_ms"] for each in found.values())


def test_a_siege_says_what_it_saw_and_with_which_seed() -> None:
    document = json.loads(bench("crash", "--rounds", "1", "--seed", "5", "--json"))
    assert (document["rounds"], document["seed"], document["real"]) == (1, 5, False)
    assert document["wrong"] == []
    counts = document["counts"]
    assert counts["jobs"] == counts["succeeded"] + counts["failed"] + counts["cancelled"]


def test_the_engine_runs_beside_a_plain_pipeline_loop() -> None:
    words = ["--sizes", "256", "--queued", "1", "2", "--quick", "--device", "cpu", "--tflops", "0.1"]
    document = json.loads(bench("engine", *words, "--json"))
    assert [(row["side"], row["queued"]) for row in document["rows"]] == [(256, 1), (256, 2)]
    work = document["operations"][0]["teraflop"]
    for row in document["rows"]:
        assert row["ratio"] == pytest.approx(row["ours"] / row["plain"])
        assert row["times_roofline"] == pytest.approx(0.1 / work / row["ours"])
    (stage,) = document["stages"]
    assert all(stage[name] > 0 for name in engine.STAGES)
    assert document["memory"]["peak"] >= document["memory"]["resident"] > 100
    heading, _, *rows = engine.table(document).splitlines()
    assert heading == "cpu, demo, 8 steps"
    assert rows[0].split()[:2] == ["256", "1"]


def test_two_children_are_compared_with_one() -> None:
    document = json.loads(bench("slots", "--side", "256", "--jobs", "2", "--json"))
    assert [row["children"] for row in document["rows"]] == [1, 2]
    assert document["ratio"] == pytest.approx(document["rows"][0]["seconds"] / document["rows"][1]["seconds"])


def test_each_lever_is_measured_alone_beside_the_plain_pipeline() -> None:
    words = ["--sizes", "256", "--rounds", "1", "--device", "cpu"]
    document = json.loads(bench("levers", *words, "--levers", "channels-last", "cudnn-attention", "--json"))
    plain, channels, attention = document["rows"]
    assert [row["lever"] for row in document["rows"]] == ["plain", "channels-last", "cudnn-attention"]
    assert plain["psnr_db"] is None
    assert channels["psnr_db"] is None or channels["psnr_db"] > 60
    assert all(0 < row["step_ms"] <= 1000 * row["picture_s"] for row in (plain, channels))
    assert attention["unused"]
    heading, _, *rows = levers.table(document).splitlines()
    assert heading == "cpu, demo, 8 steps"
    assert rows[2].split() == ["cudnn-attention", "256", "cannot", "be", "used", "here"]


def test_goals_are_for_a_large_picture_of_a_crowd_and_for_one_card() -> None:
    cpu = Device("cpu", "cpu", torch.float32)
    h100 = Device("cuda:0", "cuda:0 NVIDIA H100 80GB HBM3", torch.bfloat16)

    def goals(device: Device, side: int, queued: int) -> tuple[float | None, float | None]:
        found = engine.goals({"side": side, "queued": queued}, device)
        return found["goal"], found["roofline_goal"]

    assert [goals(cpu, 1024, 8), goals(cpu, 1024, 1), goals(cpu, 512, 8)] == [(0.97, None), (None, None), (None, None)]
    assert [goals(h100, 1024, 1), goals(h100, 512, 8)] == [(1.5, 1.6), (0.97, None)]


def test_operations_are_those_that_torch_counts() -> None:
    """With every width as in the real model, few layers, and no numbers behind it."""
    pipeline = big_model.full_size("meta", torch.bfloat16, layers=1)
    side, tokens = 256, 40
    latents = torch.empty((16, side // 8, side // 8), device="meta", dtype=torch.bfloat16)
    caption = torch.empty((tokens, 2560), device="meta", dtype=torch.bfloat16)
    ids = torch.empty((1, tokens), device="meta", dtype=torch.long)
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        pipeline.transformer([latents.unsqueeze(1)], torch.empty(1, device="meta"), [caption], return_dict=False)
    assert operations.of_step(pipeline.transformer, side, tokens) == pytest.approx(counted.get_total_flops(), rel=0.01)
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        pipeline.vae.decode(latents[None])
    assert operations.of_decode(pipeline.vae, side) == pytest.approx(counted.get_total_flops(), rel=0.01)
    drop_unread_layer(pipeline.text_encoder)
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        pipeline.text_encoder(input_ids=ids)
    assert operations.of_text(pipeline.text_encoder, tokens) == pytest.approx(counted.get_total_flops(), rel=0.01)


def test_a_roof_is_known_by_the_name_of_the_card() -> None:
    assert operations.roof_of("cuda:0 NVIDIA H100 80GB HBM3") == 7.9e14
    assert operations.roof_of("cpu") is None


def test_a_click_is_followed_from_the_request_to_the_news() -> None:
    document = json.loads(bench("click", "--rounds", "2", "--side", "256", "--json"))
    assert document["png_bytes"] > 1.5 * 256 * 256
    assert document["total"]["wall_ms"] > document["without_png"]["wall_ms"] > 0
    assert all(document["stages"][name]["own_ms"] > 0 for name in click.STAGES)
    heading, whole, without, *_ = click.table(document).splitlines()
    assert heading.split()[-4:] == ["wall", "own", "CPU", "goal"]
    assert ("120" in whole, "25" in without) == (True, True)


def test_what_is_measured_within_counts_once_and_only_while_it_counts() -> None:
    spans = Spans()
    spans.go_on()
    with spans.span("outer"), spans.span("inner"):
        threading.Event().wait(0.05)
    spans.halt()
    with spans.span("later"):
        pass
    whole, named = spans.take()
    assert set(named) == {"outer", "inner"}
    assert whole.wall >= named["inner"].wall >= 0.05 > named["outer"].wall
    assert spans.take()[0].wall == 0


def test_a_photo_is_as_large_as_photos_are() -> None:
    octets = png(Image.fromarray(photo_like(1024).numpy()))
    assert 1.6e6 < len(octets) < 1.9e6
