"""What only the real engine does: children that start, fail, hang and are outlived by nobody."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import gguf
import pytest

from app.domain.loras import LoraUse
from app.domain.ports import EngineLostError, EngineRunError, EngineState, EngineStatus, PictureOrder
from app.engine import wire
from app.engine.local import LocalEngine
from tests.engine.core.files import detail_of, original, write_gguf
from tests.engine.hub_server import COMMIT, hub_server
from tests.engine.test_contract import LONG, REQUEST, without_previews
from tests.engine.waiting import wait_for

Make = Callable[..., LocalEngine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Engines that are stopped after the test."""
    made: list[LocalEngine] = []

    def engine(
        model: str,
        on_change: Callable[[], None] | None = None,
        silence_limit: float | None = None,
        hub_endpoint: str = "",
    ) -> LocalEngine:
        engine = LocalEngine(
            model,
            "huggingface",
            "cpu",
            tmp_path,
            on_change,
            hub_endpoint=hub_endpoint,
            silence_limit=silence_limit,
        )
        made.append(engine)
        return engine

    yield engine
    for engine_ in made:
        engine_.stop(2.0)


def test_the_parent_never_loads_torch_and_takes_the_child_along_when_it_is_killed() -> None:
    story = """
import sys
from dataclasses import replace
from pathlib import Path
from app.domain.ports import EngineState
from app.engine.local import LocalEngine
from tests.engine.test_contract import LONG, REQUEST, without_previews
from tests.engine.waiting import wait_for

engine = LocalEngine("demo", "huggingface", "cpu", Path("models"))
engine.start()
wait_for(lambda: engine.status().state is EngineState.READY, 60)
made = without_previews(engine.run(REQUEST))
assert engine.count_tokens("a cat") == 2
run = engine.run(LONG)
next(run)
print(len(made), "torch" in sys.modules, flush=True)
list(run)
"""
    parent = subprocess.Popen([sys.executable, "-c", story], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().split() == ["3", "False"]
        parent.kill()
        # The child holds our end of the error pipe: this returns once it is gone too.
        output, _ = parent.communicate(timeout=10)
    assert output == ""


def test_the_status_tells_the_way_to_ready(local_engine: LocalEngine) -> None:
    wait_for(lambda: local_engine.status().state is EngineState.READY, 60)
    status = local_engine.status()
    assert (status.model, status.device, status.demo, status.reason) == ("demo", "cpu", True, "")


def test_ctrl_c_in_the_terminal_is_the_parents_business(local_engine: LocalEngine) -> None:
    wait_for(lambda: local_engine.status().state is EngineState.READY, 60)
    child = local_engine.child_pid
    os.kill(child or 0, signal.SIGINT)
    assert len(without_previews(local_engine.run(REQUEST))) == 3
    assert local_engine.child_pid == child


def test_each_change_of_status_calls_the_listener(make: Make) -> None:
    seen: list[EngineStatus] = []
    engine: LocalEngine = make("demo", lambda: seen.append(engine.status()))
    assert engine.status().state is EngineState.STOPPED
    engine.start()
    engine.start()
    wait_for(lambda: engine.status().state is EngineState.LOADING)
    engine.stop(2.0)
    states = [status.state for status in seen]
    assert states[0] is EngineState.STARTING
    assert states[-2:] == [EngineState.LOADING, EngineState.STOPPED]


def test_stop_is_quick_while_the_model_loads_and_the_engine_can_start_again(make: Make) -> None:
    engine = make("demo")
    for _ in range(2):
        engine.start()
        wait_for(lambda: engine.child_pid is not None)
        child = engine.child_pid or 0
        begun = time.monotonic()
        engine.stop(60.0)
        assert time.monotonic() - begun < 30
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
        assert engine.status() == EngineStatus(state=EngineState.STOPPED)


def test_a_run_without_a_child_is_lost(make: Make) -> None:
    with pytest.raises(EngineLostError):
        list(make("demo").run(REQUEST))


def test_a_child_that_hangs_loses_its_run_and_even_then_stop_is_quick(make: Make) -> None:
    engine = make("demo", silence_limit=5.0)
    engine.start()
    wait_for(lambda: engine.status().state is EngineState.READY, 60)
    run = engine.run(LONG)
    next(run)
    hanging = engine.child_pid or 0
    os.kill(hanging, signal.SIGSTOP)
    with pytest.raises(EngineLostError):
        list(run)
    assert engine.status().reason == "engine.hung"
    wait_for(lambda: engine.child_pid not in {None, hanging})
    os.kill(engine.child_pid or 0, signal.SIGSTOP)
    begun = time.monotonic()
    engine.stop(2.0)
    assert time.monotonic() - begun < 30


def test_stop_loses_a_run_that_waits_for_the_model(make: Make) -> None:
    engine = make("demo")
    engine.start()
    wait_for(lambda: engine.child_pid is not None)
    threading.Timer(0.5, lambda: engine.stop(5.0)).start()
    with pytest.raises(EngineLostError):
        list(engine.run(LONG))


def test_a_broken_folder_stays_failed_and_says_why(make: Make, tmp_path: Path, demo: Path) -> None:
    shutil.copytree(demo, tmp_path / "broken")
    weights = tmp_path / "broken" / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    engine = make(str(tmp_path / "broken"))
    engine.start()
    wait_for(lambda: engine.status().state is EngineState.FAILED)
    status = engine.status()
    assert (status.reason, detail_of(status.params)) == (
        "engine.broken-model",
        "vae/diffusion_pytorch_model.safetensors is cut off",
    )
    assert engine.child_pid is None
    with pytest.raises(EngineLostError):
        list(engine.run(REQUEST))


def test_a_model_that_is_nowhere_stays_failed_and_says_so(make: Make, tmp_path: Path) -> None:
    engine = make(str(tmp_path / "nowhere.gguf"))
    engine.start()
    wait_for(lambda: engine.status().state is EngineState.FAILED, 30)
    assert engine.status().reason == "engine.model-missing"


def test_a_gguf_in_the_folder_for_models_serves_like_any_model(make: Make, tmp_path: Path, demo: Path) -> None:
    write_gguf(original(demo), tmp_path / "mine.gguf", gguf.GGMLQuantizationType.Q8_0)
    engine = make("mine.gguf")
    engine.start()
    wait_for(lambda: engine.status().state is EngineState.READY, 60)
    assert engine.status().model == "mine.gguf"
    assert len(without_previews(engine.run(REQUEST))) == 3


def test_a_download_that_found_no_network_is_tried_again_by_itself(
    make: Make, tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    states: list[EngineState] = []
    engine: LocalEngine = make(
        "acme/Z-Image-Tiny",
        lambda: states.append(engine.status().state),
        hub_endpoint=f"http://127.0.0.1:{port}",
    )
    engine.start()
    wait_for(lambda: engine.status().state is EngineState.FAILED)
    assert engine.status().reason == "engine.network"
    assert engine.count_tokens("a cat") is None
    with hub_server(demo, "acme/Z-Image-Tiny", port) as hub:
        wait_for(lambda: engine.status().state is EngineState.LOADING, 30)
    assert EngineState.DOWNLOADING in states
    assert not any(path.endswith("README.md") for path in hub.asked)
    folder = tmp_path / "Z-Image-Tiny"
    assert json.loads((folder / ".atelier-origin.json").read_text())["revision"] == COMMIT
    wait_for(lambda: engine.count_tokens("a cat") == 2)
    assert not engine.status().demo


class ScriptedChild:
    """Says what a child on a GPU would, and then nothing."""

    pid = 0

    def __init__(self, setup: wire.Setup) -> None:
        self._left: list[wire.FromChild] = [
            wire.Warming(0.5),
            wire.Ready(4, profile=setup.profile),
            wire.Ready(2, notice="engine.memory-shared", params={"most": 2}),
        ]
        self._gone = threading.Event()

    def receive(self, timeout: float) -> wire.FromChild | None:
        if self._left:
            return self._left.pop(0)
        if self._gone.wait(timeout):
            raise EOFError
        return None

    def send(self, message: wire.ToChild) -> None: ...

    def ask_to_stop(self) -> None:
        self._gone.set()

    def end(self, timeout: float) -> int:  # noqa: ARG002 - it is gone already
        return 0

    def close(self) -> None: ...


def test_warming_is_told_and_what_memory_taught_lowers_what_shares_a_step(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.slot.Child", ScriptedChild)
    seen: list[EngineStatus] = []
    engine: LocalEngine = make("demo", on_change=lambda: seen.append(engine.status()))
    engine.start()
    wait_for(lambda: engine.status().notice == "engine.memory-shared")
    states = [(status.state, status.progress, status.notice) for status in seen]
    assert (EngineState.WARMING, 0.5, "") in states
    assert states[-1] == (EngineState.READY, None, "engine.memory-shared")
    one, two = (replace(REQUEST, pictures=tuple(PictureOrder(index=i, seed=i) for i in range(n))) for n in (1, 2))
    assert engine.has_room([one], one)
    assert not engine.has_room([one], two)


@pytest.mark.parametrize(("source", "device"), [("ftp", "cpu"), ("huggingface", "tpu"), ("huggingface", "cuda:x")])
def test_an_unknown_source_or_device_is_a_mistake_of_the_caller(source: str, device: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown"):
        LocalEngine("demo", source, device, tmp_path)
    with pytest.raises(ValueError, match="unknown"):
        LocalEngine("demo", "huggingface", "cpu", tmp_path, profile="100gb")


def test_two_runs_at_once_are_made_one_after_the_other(local_engine: LocalEngine) -> None:
    wait_for(lambda: local_engine.status().state is EngineState.READY, 60)
    first = local_engine.run(replace(LONG, steps=8))
    next(first)
    second = without_previews(local_engine.run(REQUEST))
    assert len(second) == 3
    assert len(without_previews(first)) == 8


def test_a_lora_that_cannot_be_used_fails_its_job_and_the_next_one_is_made(local_engine: LocalEngine) -> None:
    wait_for(lambda: local_engine.status().state is EngineState.READY, 60)
    with pytest.raises(EngineRunError) as failure:
        list(local_engine.run(replace(REQUEST, loras=(LoraUse(name="gone"),))))
    assert failure.value.code == "lora-unusable"
    assert without_previews(local_engine.run(REQUEST))
