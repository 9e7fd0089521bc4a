"""`scripts/bench` measures what it says; what comes out is never judged here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
    assert document["within_20_percent"] is all(document[way]["within_20_percent"] for way in ("flow", "http"))


def test_people_get_a_table() -> None:
    heading, flow, page, _ = bench("login", "--rounds", "1").splitlines()
    assert heading.split()[-5:] == ["unknown", "ratio", "within", "20", "%"]
    assert (flow.split()[0], page.split()[:2]) == ("flows.sign_in", ["POST", "/login"])
