"""kill -9 at any moment, again and again, while people click, repeat themselves and cancel: nothing goes wrong."""

from pathlib import Path

import pytest

from scripts.benches.siege import FAST, SLOW, Plan, Siege, besiege
from tests.serving import manage


def in_peace(siege: Siege, folder: Path) -> bool:
    counts = siege.verdict.counts
    assert counts["jobs"] == counts["succeeded"] + counts["failed"] + counts["cancelled"]
    assert counts["succeeded"] > 0
    return manage(folder, "db", "check").returncode == 0


@pytest.mark.timeout(240)
def test_nine_kills_lose_nothing_and_charge_nothing_twice(tmp_path: Path) -> None:
    siege = besiege(tmp_path, Plan(rounds=9, seed=20261123, longest=1.5, manners=FAST))
    assert (siege.verdict.wrong, len(siege.kills)) == ([], 9)
    assert in_peace(siege, tmp_path)
    counts = siege.verdict.counts
    assert counts["requests"] > counts["clicks"] > counts["succeeded"]
    assert max(siege.starts) < 60


@pytest.mark.timeout(300)
def test_three_kills_of_the_whole_program_with_its_engine_neither(tmp_path: Path) -> None:
    siege = besiege(tmp_path, Plan(real=True, rounds=3, seed=20261124, longest=2.0, manners=SLOW))
    assert (siege.verdict.wrong, len(siege.kills)) == ([], 3)
    assert in_peace(siege, tmp_path)
