"""Administrators load, switch and unload; whichever process is asked, every server does it, once."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.errors import ConflictError, EngineUnavailableError, InvalidRequestError, NotPermittedError
from app.domain.jobs import JobState
from app.domain.models import FoundModel
from app.domain.ports import EngineState, EngineStatus, SlotStatus
from app.flows import engine_control
from app.flows.engine_wishes import (
    BELIEVED,
    EngineTold,
    begin_wishes,
    end_wishes,
    status_from_text,
    status_to_text,
)
from app.flows.watch import Watcher
from tests.houses import ORIGIN, Building, another_process

DEMO = Path(__file__).parents[2] / "models" / "demo"


def load(building: Building, model: object) -> None:
    engine_control.load(building.studio, building.console(), {"model": model}, ORIGIN)


def test_a_server_does_at_once_what_it_is_asked_itself(building: Building) -> None:
    begin_wishes(building.studio)
    load(building, "Tongyi-MAI/Z-Image")
    engine_control.unload(building.studio, building.console(), ORIGIN)
    Watcher(building.studio).look()
    assert building.engine.loads == ["hub:Tongyi-MAI/Z-Image", ""]
    assert building.actions()[-2:] == [("console", "engine:control", "ok")] * 2
    rows = building.studio.store.read(lambda tx: tx.audit.list(action="engine:control", limit=9)).items
    assert [json.loads(row.details) for row in rows] == [
        {"verb": "unload", "model": ""},
        {"verb": "load", "model": "hub:Tongyi-MAI/Z-Image"},
    ]


def test_a_server_does_once_what_another_process_is_asked(building: Building) -> None:
    begin_wishes(building.studio)
    watcher = Watcher(building.studio)
    watcher.look()
    console = another_process(building.studio)
    engine_control.load(console, building.console(), {"model": "demo"}, ORIGIN)
    assert building.engine.loads == []
    for _ in range(3):
        watcher.look()
    Watcher(building.studio).look()
    assert building.engine.loads == ["demo"]
    engine_control.load(console, building.console(), {"model": "demo"}, ORIGIN)
    engine_control.unload(console, building.console(), ORIGIN)
    watcher.look()
    assert building.engine.loads == ["demo", ""]


def test_a_server_that_starts_begins_with_its_own_settings(building: Building) -> None:
    console = another_process(building.studio)
    engine_control.unload(console, building.console(), ORIGIN)
    begin_wishes(building.studio)
    Watcher(building.studio).look()
    assert building.engine.loads == []


def test_jobs_wait_while_nothing_is_loaded_and_go_on_with_the_next_model(light: Building) -> None:
    begin_wishes(light.studio)
    mei = light.person("mei")
    job = light.click(mei)
    engine_control.unload(light.studio, light.console(), ORIGIN)
    with pytest.raises(EngineUnavailableError):
        light.click(mei)
    assert light.quota(mei) == (0, 1)
    light.engine.comes_slowly = True
    load(light, "demo")
    waiting = light.click(mei)
    light.engine.arrive()
    for _ in range(2):
        light.work()
    assert [light.view(mei, each).job.state for each in (job, waiting)] == [JobState.SUCCEEDED] * 2


def test_a_model_that_fails_leaves_the_old_one_serving(light: Building) -> None:
    begin_wishes(light.studio)
    light.engine.load_fails = "engine.broken-model"
    load(light, "demo")
    status = engine_control.view_engine(light.studio, light.console(), ORIGIN).status
    assert (status.state, status.model, status.reason) == (EngineState.READY, "fake", "engine.broken-model")
    mei = light.person("mei")
    job = light.click(mei)
    light.work()
    assert light.view(mei, job).job.state is JobState.SUCCEEDED


@pytest.mark.parametrize("body", [{}, {"model": "/etc/passwd"}, {"model": "nothing.gguf"}, {"model": "demo", "x": 1}])
def test_a_wrong_wish_changes_nothing(light: Building, body: dict[str, object]) -> None:
    begin_wishes(light.studio)
    before = light.studio.store.read(lambda tx: tx.service.get())
    with pytest.raises(InvalidRequestError):
        engine_control.load(light.studio, light.console(), body, ORIGIN)
    assert light.studio.store.read(lambda tx: tx.service.get()) == before
    assert light.engine.loads == []


def test_a_path_is_for_whoever_sits_at_the_server(light: Building) -> None:
    begin_wishes(light.studio)
    engine_control.load_on_the_spot(light.studio, light.console(), "/srv/mine.gguf", ORIGIN)
    assert light.engine.loads == ["/srv/mine.gguf"]


def test_members_neither_see_nor_steer_the_engine(light: Building) -> None:
    begin_wishes(light.studio)
    mei = light.person("mei")
    with pytest.raises(NotPermittedError):
        engine_control.view_engine(light.studio, mei, ORIGIN)
    with pytest.raises(NotPermittedError):
        engine_control.load(light.studio, mei, {"model": "demo"}, ORIGIN)
    with pytest.raises(NotPermittedError):
        engine_control.load_on_the_spot(light.studio, mei, "demo", ORIGIN)
    with pytest.raises(NotPermittedError):
        engine_control.unload(light.studio, mei, ORIGIN)
    with pytest.raises(NotPermittedError):
        engine_control.engines_of_servers(light.studio, mei, ORIGIN)
    with pytest.raises(NotPermittedError):
        engine_control.changed_files(light.studio, mei, "demo", ORIGIN)
    assert light.engine.loads == []
    assert light.actions().count(("mei", "access:refused", "refused")) == 6


def test_the_models_on_this_machine_are_found_where_the_settings_say(light: Building, tmp_path: Path) -> None:
    shutil.copytree(DEMO, tmp_path / "models" / "copy")
    found = engine_control.view_engine(light.studio, light.console(), ORIGIN).models
    assert [(each.name, each.kind) for each in found] == [("demo", "demo"), ("copy", "folder")]
    assert isinstance(found[0], FoundModel)
    load(light, "copy")


def test_a_model_that_nobody_downloaded_has_nothing_to_be_compared_with(light: Building) -> None:
    for model, reason in (("demo", "engine.no-checksums"), ("nowhere", "engine.model-missing")):
        with pytest.raises(ConflictError) as refusal:
            engine_control.changed_files(light.studio, light.console(), model, ORIGIN)
        assert refusal.value.key == reason


def test_other_processes_read_how_the_engine_of_each_server_is(building: Building) -> None:
    console = another_process(building.studio)

    def seen() -> list[tuple[str, EngineState, str]]:
        found = engine_control.engines_of_servers(console, building.console(), ORIGIN)
        return [(each.worker, each.status.state, each.status.model) for each in found]

    told = EngineTold(building.studio)
    told.tell()
    assert seen() == []
    begin_wishes(building.studio)
    told.tell()
    assert seen() == [(building.studio.worker, EngineState.READY, "fake")]
    building.engine.unload()
    EngineTold(building.studio).tell()
    assert seen() == [(building.studio.worker, EngineState.UNLOADED, "fake")]
    building.clock.turn(seconds=BELIEVED.total_seconds() + 1)
    assert seen() == []
    EngineTold(building.studio).tell()
    assert len(seen()) == 1
    end_wishes(building.studio)
    assert seen() == []


def test_a_server_that_went_without_a_word_is_swept_away(light: Building) -> None:
    store = light.studio.store
    store.write(lambda tx: tx.engines.keep("gone", "{}", light.clock.now()))
    light.clock.turn(seconds=timedelta(minutes=2).total_seconds())
    begin_wishes(light.studio)
    end_wishes(light.studio)
    assert store.read(lambda tx: tx.engines.seen_since(light.clock.now() - timedelta(days=1))) == ()


def test_a_status_survives_the_database_also_from_another_version() -> None:
    slot = SlotStatus(name="0", state=EngineState.WARMING, memory_used=3)
    status = EngineStatus(
        state=EngineState.READY,
        model="a",
        progress=0.5,
        reason="engine.network",
        params={"source": "x", "detail": "y"},
        coming="b",
        coming_state=EngineState.DOWNLOADING,
        slots=(slot,),
    )
    assert status_from_text(status_to_text(status)) == status
    newer = json.loads(status_to_text(status)) | {"colour": "blue"}
    newer["slots"][0]["shoe"] = 46
    assert status_from_text(json.dumps(newer)) == status
    assert status_from_text('{"state": "ready"}') == EngineStatus(state=EngineState.READY)


@pytest.mark.parametrize(
    ("state", "coming_state", "takes_jobs"),
    [
        (EngineState.READY, None, True),
        (EngineState.WARMING, None, True),
        (EngineState.FAILED, None, False),
        (EngineState.UNLOADED, None, False),
        (EngineState.UNLOADED, EngineState.LOADING, True),
        (EngineState.FAILED, EngineState.FAILED, False),
        (EngineState.STOPPED, None, False),
    ],
)
def test_jobs_are_taken_while_a_model_is_there_or_on_its_way(
    state: EngineState, coming_state: EngineState | None, *, takes_jobs: bool
) -> None:
    status = EngineStatus(state=state, coming="x" if coming_state else "", coming_state=coming_state)
    assert status.takes_jobs is takes_jobs
