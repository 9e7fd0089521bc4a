"""`python -m app engine …`: what it says, and what the running server is to do."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.ports import EngineState
from app.engine.core.origin import Origin, sha256_of
from app.flows.engine_wishes import EngineTold, begin_wishes
from app.flows.watch import Watcher
from tests.cli.conftest import Terminal
from tests.databases import sqlite
from tests.houses import Building, make_house

DEMO = Path(__file__).parents[2] / "models" / "demo"


@pytest.fixture
def building(terminal: Terminal) -> Iterator[Building]:
    """The house of a server that runs."""
    (terminal.folder / "data").mkdir()
    with make_house(sqlite(terminal.folder / "data/atelier.db", None), terminal.folder) as made:
        begin_wishes(made.studio)
        yield made


def test_the_running_server_loads_and_unloads_what_the_console_wants(terminal: Terminal, building: Building) -> None:
    watcher = Watcher(building.studio)
    assert terminal.json("engine", "load", "demo") == {"model": "demo"}
    watcher.look()
    terminal.run("engine", "unload")
    watcher.look()
    said = terminal.lines("engine", "load", "acme/Z-Image")
    assert said[0].startswith("The running server loads acme/Z-Image")
    watcher.look()
    shutil.copytree(DEMO, terminal.folder / "tuned")
    # It may run in another folder.
    assert terminal.json("engine", "load", "tuned") == {"model": str(terminal.folder / "tuned")}
    watcher.look()
    assert building.engine.loads == ["demo", "", "hub:acme/Z-Image", str(terminal.folder / "tuned")]


def test_a_model_that_is_nowhere_is_refused(terminal: Terminal, building: Building) -> None:
    refused = terminal.json("engine", "load", "nothing.gguf", code=1)
    assert refused["error"]["errors"][0]["field"] == "model"
    assert building.engine.loads == []


def test_the_status_is_that_of_each_running_server(terminal: Terminal, building: Building) -> None:
    assert terminal.json("engine", "status") == []
    assert terminal.lines("engine", "status") == ["No server is running."]
    building.clock.moment = building.house.studio.clock.now()
    building.engine.comes_slowly = True
    building.engine.load("hub:acme/Z-Image")
    EngineTold(building.studio).tell()
    found = terminal.json("engine", "status")
    assert [(each["server"], each["state"], each["model"]) for each in found] == [
        (building.studio.worker, "ready", "fake")
    ]
    assert found[0]["coming"] == {"model": "acme/Z-Image", "state": "loading"}
    line = terminal.lines("engine", "status")[1]
    assert "fake → acme/Z-Image (loading 25%)" in line
    building.engine.break_down()
    EngineTold(building.studio).tell()
    assert building.engine.status().state is EngineState.FAILED
    assert terminal.json("engine", "status")[0]["state"] == "failed"


def test_the_list_names_every_model_and_what_is_wrong_with_it(terminal: Terminal, building: Building) -> None:
    del building
    (terminal.folder / "models").mkdir(exist_ok=True)
    (terminal.folder / "models" / "mine.gguf").write_bytes(b"nothing")
    found = terminal.json("engine", "list")
    assert [(each["name"], each["kind"]) for each in found] == [("demo", "demo"), ("mine.gguf", "gguf")]
    assert "mine.gguf is no GGUF file" in terminal.lines("engine", "list")[2]


def test_a_download_is_compared_with_its_checksums(terminal: Terminal, building: Building) -> None:
    del building
    folder = terminal.folder / "models" / "Z-Image-Turbo"
    shutil.copytree(DEMO, folder)
    names = ["vae/config.json", "transformer/config.json"]
    Origin("huggingface", "acme/x", "1", {name: sha256_of(folder / name) for name in names}).write(folder)
    assert terminal.json("engine", "verify") == {"changed": []}
    config = json.loads((folder / "vae/config.json").read_text())
    (folder / "vae/config.json").write_text(json.dumps(config | {"scaling_factor": 1}))
    assert terminal.json("engine", "verify", "Z-Image-Turbo", code=1) == {"changed": ["vae/config.json"]}
    assert terminal.lines("engine", "verify", code=1) == ["vae/config.json is no longer what was downloaded."]
    assert "no-checksums" not in terminal.run("engine", "verify", "demo", code=1).output
