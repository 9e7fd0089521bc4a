"""`python -m app` as a person types it: a process of its own, alone or beside a running server."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.jobs import JobState
from app.flows.first_admin import seed
from tests.cli.conftest import Terminal
from tests.databases import sqlite
from tests.houses import Building, make_house

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "gradio", "fastapi", "sqlalchemy", "pydantic"}


def app(*words: str, stdin: bytes = b"", **variables: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | variables
    done = subprocess.run(
        [sys.executable, "-m", "app", *words], cwd=ROOT, input=stdin, env=environment, capture_output=True, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_nouns_are_told_in_the_terminals_language() -> None:
    code, english, _ = app("--help")
    assert code == 0
    assert all(noun in english for noun in ("user", "token", "queue", "job", "db", "doctor", "--json"))
    assert "Administration of Atelier" in english
    _, chinese, _ = app("--help", LANG="zh_CN.UTF-8")
    assert "无需浏览器即可管理 Atelier" in chinese


def test_help_loads_nothing_heavy() -> None:
    program = f"import sys, app.__main__; sys.exit(' '.join({HEAVY!r} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_on_a_fresh_machine_the_first_administrator_may_come_from_the_command_line(terminal: Terminal) -> None:
    code, shown, _ = app(*terminal.places, "user", "add", "boss", "--role", "admin")
    assert (code, len(shown.splitlines())) == (0, 3)

    url = sqlite(terminal.folder / "data/atelier.db", None)
    with make_house(url, terminal.folder) as building:
        assert seed(building.studio, (), "admin", None) is None
    code, shown, _ = app(*terminal.places, "user", "list", "--json")
    assert [user["username"] for user in json.loads(shown)] == ["boss"]


@pytest.mark.parametrize(
    "words",
    [
        ("--json", "{places}", "user", "list"),
        ("user", "{places}", "list", "--json"),
        ("user", "--json", "list", "{places}"),
        ("user", "list", "{places}", "--json"),
    ],
)
def test_shared_options_may_stand_anywhere(terminal: Terminal, words: tuple[str, ...]) -> None:
    spread = [each for word in words for each in (terminal.places if word == "{places}" else [word])]
    code, shown, _ = app(*spread)
    assert (code, json.loads(shown)) == (0, [])
    assert (terminal.folder / "data/atelier.db").is_file()


def test_variables_and_flags_are_those_of_the_server(terminal: Terminal) -> None:
    data = str(terminal.folder / "data")
    assert app("user", "add", "mei", "--role", "member", ATELIER_DATA_DIR=data)[0] == 0
    assert "mei" in app("--data-dir", data, "user", "list", ATELIER_DATA_DIR="/nowhere")[1]


def test_any_script_can_be_printed_where_the_terminal_knows_none(terminal: Terminal) -> None:
    words = ("user", "add", "mei", "--role", "member", "--department", "设计部")
    assert app(*terminal.places, *words, LC_ALL="C")[0] == 0
    code, shown, _ = app(*terminal.places, "user", "list", LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert code == 0
    assert "设计部" in shown


def test_a_command_line_that_is_no_text_is_wrong_usage(terminal: Terminal) -> None:
    words: list[str | bytes] = [*terminal.places, "user", "set", b"\xff", "--role", "guest"]
    done = subprocess.run([sys.executable, "-m", "app", *words], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"UTF-8" in done.stderr


def test_a_broken_pipe_is_no_crash(terminal: Terminal) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [*terminal.places, "user", "list", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "app", *words], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert b"Traceback" not in done.stderr


def test_a_running_server_obeys_within_a_second(terminal: Terminal) -> None:
    url = sqlite(terminal.folder / "served.db", None)
    with make_house(url, terminal.folder) as building:
        house = building.house
        house.claim_data_dir()
        building.engine.hang()
        house.start()
        try:
            mei = building.person("mei")
            first, second = building.click(mei), building.click(mei)
            _within(10, lambda: _state(building, first.id) is JobState.RUNNING)

            assert app(*terminal.places, "--database-url", url, "queue", "pause")[0] == 0
            assert app(*terminal.places, "--database-url", url, "job", "cancel", first.id)[0] == 0
            _within(1, lambda: not building.studio.progress.running())

            assert _state(building, second.id) is JobState.QUEUED
            assert app(*terminal.places, "--database-url", url, "user", "disable", "mei")[0] == 0
            assert _state(building, second.id) is JobState.CANCELLED
            assert app(*terminal.places, "--database-url", url, "db", "check")[0] == 0
        finally:
            house.stop()


def _state(building: Building, job_id: str) -> JobState | None:
    job = building.studio.store.read(lambda tx: tx.jobs.get(job_id))
    return None if job is None else job.state


def _within(seconds: float, happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline
        os.sched_yield()
