"""The scripts in `scripts/`, each in a small checkout of its own and without a network."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.servers import USUAL, find, variable

ROOT = Path(__file__).parents[1]
BASH = [
    path
    for path in [*sorted((ROOT / "scripts").iterdir()), ROOT / ".ci/run"]
    if path.suffix == ".sh" or (path.is_file() and path.read_text().startswith("#!/usr/bin/env bash"))
]
START = (ROOT / "scripts/start").relative_to(ROOT)
# Stands in for each Python on the PATH: new enough, but with the given modules missing or too old.
OLD_PYTHON = "#!/bin/sh\nexit 1\n"
BARE_PYTHON = """#!/bin/sh
case "$2" in
*ensurepip*) exit 1 ;;
*%d*) echo 3.12 ;;
esac
"""

# Making a .venv is slow, so the tests that need one share a process.
pytestmark = pytest.mark.xdist_group("scripts")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


def make_checkout(parent: Path) -> Path:
    """A checkout that needs no packages, whose launch.py only tells that it runs."""
    folder = parent / "a checkout"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / "requirements.txt").write_text("-c constraints.txt\n")
    (folder / "constraints.txt").touch()
    (folder / "launch.py").write_text("import sys\nprint('launched', *sys.argv[1:])\n")
    return folder


@pytest.fixture(scope="module")
def first_starts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str]]]:
    """A fresh checkout, and what two first starts at the same time wrote."""
    folder = make_checkout(tmp_path_factory.mktemp("first"))
    both = [begin(folder) for _ in range(2)]
    return folder, [process.communicate(timeout=60) for process in both]


@pytest.fixture
def started(first_starts: tuple[Path, list[tuple[str, str]]], tmp_path: Path) -> Path:
    """A checkout that was started before."""
    return shutil.copytree(first_starts[0], tmp_path / "started", symlinks=True)


def begin(checkout: Path, path: str = os.environ["PATH"]) -> "subprocess.Popen[str]":
    """Run scripts/start --demo from another folder."""
    return subprocess.Popen(
        [checkout / START, "--demo"],
        cwd=checkout.parent,
        env={"PATH": path, "PIP_NO_INDEX": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(checkout: Path, path: str = os.environ["PATH"]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a start."""
    process = begin(checkout, path)
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


def pythons(folder: Path, program: str) -> str:
    """A PATH on which every Python is `program`."""
    folder.mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.parametrize("script", BASH, ids=lambda path: path.name)
def test_bash_can_read_it(script: Path) -> None:
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


@pytest.mark.parametrize("script", [path for path in BASH if not path.suffix], ids=lambda path: path.name)
def test_it_can_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK)


def test_two_first_starts_at_once_take_turns(first_starts: tuple[Path, list[tuple[str, str]]]) -> None:
    _, outputs = first_starts
    assert [stdout for stdout, _ in outputs] == ["launched --demo\n"] * 2
    assert sum("making .venv" in stderr for _, stderr in outputs) == 1


def test_a_second_start_installs_nothing(started: Path) -> None:
    assert start(started) == (0, "launched --demo\n", "")


def test_changed_requirements_are_installed(started: Path) -> None:
    (started / "constraints.txt").write_text("# newer\n")
    code, stdout, stderr = start(started)
    assert (code, stdout) == (0, "launched --demo\n")
    assert "installing requirements.txt" in stderr
    assert "making .venv" not in stderr


def test_an_interrupted_install_is_repaired(started: Path) -> None:
    (started / ".venv/incomplete").touch()
    code, stdout, stderr = start(started)
    assert (code, stdout) == (0, "launched --demo\n")
    assert "making .venv" in stderr


def test_a_failed_install_says_so_and_starts_nothing(started: Path) -> None:
    (started / "requirements.txt").write_text("no-such-package\n")
    code, stdout, stderr = start(started)
    assert (code, stdout) == (1, "")
    assert "installing requirements.txt failed" in stderr


def test_the_scanner_gets_an_environment_of_its_own(started: Path) -> None:
    (started / "requirements-scan.txt").write_text("-c constraints-scan.txt\n")
    (started / "constraints-scan.txt").touch()
    said = ensure(started, "requirements-scan.txt", ".venv-scan")
    assert "making .venv-scan" in said
    assert "requirements-scan.txt is installed" in said
    assert ensure(started, "requirements-scan.txt", ".venv-scan") == ""
    assert start(started) == (0, "launched --demo\n", "")
    (started / "constraints-scan.txt").write_text("# newer\n")
    assert "installing requirements-scan.txt" in ensure(started, "requirements-scan.txt", ".venv-scan")
    assert start(started) == (0, "launched --demo\n", "")


def test_what_a_requirements_file_names_counts_as_installed_with_it(started: Path) -> None:
    (started / "requirements-dev.txt").write_text("-r requirements.txt\n")
    (started / "constraints.txt").write_text("# newer\n")
    assert "requirements-dev.txt is installed" in ensure(started, "requirements-dev.txt")
    assert start(started) == (0, "launched --demo\n", "")


def ensure(checkout: Path, *words: str) -> str:
    """What `ensure_venv` says on standard error."""
    script = f"set -euo pipefail; source scripts/venv.sh; ensure_venv {' '.join(words)}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    return done.stderr


def test_without_ensurepip_it_says_what_to_install(checkout: Path) -> None:
    code, stdout, stderr = start(checkout, pythons(checkout / "bin", BARE_PYTHON))
    assert (code, stdout) == (1, "")
    assert "apt install python3.12-venv" in stderr


def test_without_a_new_python_it_says_what_to_install(checkout: Path) -> None:
    code, stdout, stderr = start(checkout, pythons(checkout / "bin", OLD_PYTHON))
    assert (code, stdout) == (1, "")
    assert "Python 3.11 or newer is needed" in stderr


def test_a_server_that_the_environment_names_wins_unasked() -> None:
    named = {variable(kind): f"{kind}://elsewhere" for kind in USUAL}
    assert find(named, lambda _: pytest.fail("asked")) == {kind: f"{kind}://elsewhere" for kind in USUAL}


def test_a_local_server_counts_only_if_it_lets_us_in() -> None:
    by_socket = USUAL["mariadb"][1]
    assert find({}, lambda url: url == by_socket) == {"mariadb": by_socket}
    assert find({}, lambda _: False) == {}
