"""The rules in `scripts/rules` find what they are for, and nothing else.

`tests/rules` has examples, as text so that no other tool reads them: `=== path` begins a file, and `bad: rule` at the
end of a line says that the rule finds something there.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SEMGREP = ROOT / ".venv-scan/bin/semgrep"
RULES = ROOT / "scripts/rules"
EXAMPLES = sorted((ROOT / "tests/rules").glob("*.txt"))
ID = re.compile(r"^  - id: ([a-z-]+)$", re.MULTILINE)
MARK = re.compile(r"\bbad: ([a-z, -]+?)(?: -->)?$")
IDS = sorted(rule for path in RULES.glob("*.yaml") for rule in ID.findall(path.read_text()))
# One worker runs semgrep, once.
pytestmark = pytest.mark.xdist_group("rules")
Found = set[tuple[str, int, str]]


def examples() -> dict[str, str]:
    """The files of all examples, by their paths in a checkout."""
    files: dict[str, str] = {}
    for path in EXAMPLES:
        for file in path.read_text().split("=== ")[1:]:
            name, _, content = file.partition("\n")
            assert name not in files, f"{name} is there twice"
            files[name] = content
    return files


def marked() -> Found:
    return {
        (name, number, rule)
        for name, content in examples().items()
        for number, line in enumerate(content.splitlines(), 1)
        if (mark := MARK.search(line))
        for rule in mark[1].split(", ")
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What `scripts/scan` finds in the examples, in a checkout of their own that git knows nothing of."""
    if not SEMGREP.exists():
        pytest.skip("scripts/test installs semgrep")
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(RULES, folder / "scripts/rules")
    shutil.copy(ROOT / "scripts/scan", folder / "scripts")
    (folder / ".venv-scan").symlink_to(ROOT / ".venv-scan")
    for name, content in examples().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    done = subprocess.run(
        [folder / "scripts/scan", "--json"], cwd=folder.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["errors"] == []
    assert set(document["paths"]["scanned"]) >= set(examples())
    return {(each["path"], each["start"]["line"], each["check_id"].rpartition(".")[2]) for each in document["results"]}


@pytest.mark.parametrize("rule", IDS)
def test_a_rule_finds_its_bad_examples_and_leaves_the_good_ones(rule: str, found: Found) -> None:
    wanted = {each for each in marked() if each[2] == rule}
    assert wanted, "no bad example"
    assert {each for each in found if each[2] == rule} == wanted


def test_every_example_names_a_rule_that_exists() -> None:
    assert {rule for _, _, rule in marked()} <= set(IDS)
