"""The engine as administrators see and steer it over the API and the page, and what everybody is told of it."""

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.domain.ports import EngineState, EngineStatus, SlotStatus
from app.flows.status import ServiceStatus
from app.web.notices import status_json
from tests.gradio_events import RefusalError, press
from tests.live import JOB, Live, ended, token_of

DEMO = Path(__file__).parents[2] / "models" / "demo"


@pytest.fixture
def boss(live: Live) -> Iterator[httpx.Client]:
    name = "engine-boss"
    if live.house.studio.store.read(lambda tx: tx.users.by_name(name)) is None:
        live.person(name, "admin")
    with live.browser_of(name) as client:
        yield client
    live.engine.comes_slowly, live.engine.load_fails = False, ""
    live.engine.become_ready()


@pytest.fixture
def models(live: Live) -> Iterator[Path]:
    """The folder for models, with one that is whole and one that is not."""
    folder = live.outputs.parent / "models"
    shutil.copytree(DEMO, folder / "Tuned <1>")
    (folder / "broken.gguf").write_bytes(b"nothing")
    yield folder
    shutil.rmtree(folder / "Tuned <1>")
    (folder / "broken.gguf").unlink()


def test_scripts_load_switch_and_unload(live: Live, boss: httpx.Client, models: Path) -> None:
    with live.script_of("engine-script", "admin") as script:
        found = script.get("/api/v1/admin/engine").json()
        assert (found["state"], found["model"], found["coming"], found["reason"]) == ("ready", "fake", None, None)
        assert [(each["name"], each["kind"], bool(each["reason"])) for each in found["models"]] == [
            ("demo", "demo", False),
            ("Tuned <1>", "folder", False),
            ("broken.gguf", "gguf", True),
        ]
        assert found["models"][2]["reason"]["code"] == "broken-model"
        assert str(models) not in str(found)
        live.engine.comes_slowly = True
        answer = script.post("/api/v1/admin/engine/load", json={"model": "acme/Z-Image"})
        assert answer.status_code == 202
        assert answer.json()["coming"] == {"model": "acme/Z-Image", "state": "loading"}
        assert (answer.json()["state"], answer.json()["progress"]) == ("ready", 0.25)
        live.engine.arrive()
        assert script.post("/api/v1/admin/engine/unload").json()["state"] == "unloaded"
        refused = script.post("/api/v1/jobs", json=JOB)
        assert (refused.status_code, refused.json()["code"]) == (503, "engine-unavailable")
        assert script.get("/readyz").json()["reasons"] == ["engine-unloaded"]
        live.engine.comes_slowly = False
        assert script.post("/api/v1/admin/engine/load", json={"model": "Tuned <1>"}).json()["model"] == "Tuned <1>"
        job = script.post("/api/v1/jobs", json=JOB).json()
        assert ended(script, job["id"])["state"] == "succeeded"
    del boss


@pytest.mark.parametrize(
    "body", [{}, {"model": None}, {"model": "/etc"}, {"model": "../x"}, {"model": "secret.gguf"}, {"models": "demo"}]
)
def test_no_path_is_ever_asked_for_over_http(live: Live, body: dict[str, Any]) -> None:
    loads = list(live.engine.loads)
    with live.client(token_of(live, "engine-path", "admin")) as script:
        refused = script.post("/api/v1/admin/engine/load", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-request")
    assert live.engine.loads == loads


def test_the_page_lists_the_models_and_loads_one(live: Live, boss: httpx.Client, models: Path) -> None:
    view = press(boss, "show_engine")[0]
    assert "fake: ready" in view
    assert "Tuned &lt;1&gt;" in view
    assert "broken.gguf is no GGUF file" in view
    assert 'data-subject="broken.gguf"' not in view
    assert str(models) not in view
    live.engine.comes_slowly = True
    view = press(boss, "load_model", "Tuned <1>")[0]
    assert "Tuned &lt;1&gt; is on its way: loading (25 %)." in view
    assert 'aria-valuenow="25"' in view
    live.engine.load_fails = "engine.broken-model"
    live.engine.arrive()
    view = press(boss, "show_engine")[0]
    assert "fake: ready" in view
    assert "The model&#39;s files cannot be used" in view
    live.engine.load_fails = ""
    live.engine.comes_slowly = False
    view, field = press(boss, "load_named", " acme/Z-Image ")
    assert "acme/Z-Image: ready" in view
    assert field == ""
    view = press(boss, "unload")[0]
    assert "unloaded" in view
    assert "engine-unload" not in view
    for wrong in ("/etc/passwd", "", None, 7):
        with pytest.raises(RefusalError, match="<b>Model</b>"):
            press(boss, "load_named", wrong)


def told(live: Live, language: str = "en", *, to_admin: bool = True, **status: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    """(kind, text) of what people are told of an engine like this."""
    actor = live.admin()
    if not to_admin:
        name = f"plain-{secrets.token_hex(4)}"
        live.person(name)
        member = live.house.studio.store.read(lambda tx: tx.users.by_name(name))
        assert member is not None
        actor = replace(actor, user=member.user)
    found = status_json(ServiceStatus(EngineStatus(**status), paused=False, draining=False), actor, language)
    assert found["ready"] is (status["state"] is EngineState.READY)
    return [(each["kind"], each["text"]) for each in found["notices"]]


REASON: dict[str, Any] = {"reason": "engine.no-base", "params": {"file": "/x.gguf"}}


def test_everybody_is_told_what_the_engine_is_doing_and_administrators_why(live: Live) -> None:
    for state in EngineState:
        for language in ("en", "zh-CN"):
            notices = told(live, language, state=state, model="a")
            assert bool(notices) is (state is not EngineState.READY), state
    assert told(live, state=EngineState.WARMING)[0][0] == "loading"
    assert told(live, state=EngineState.UNLOADED)[0][0] == "failed"
    failed: dict[str, Any] = {"state": EngineState.FAILED, **REASON}
    assert "/x.gguf" in told(live, **failed)[0][1]
    assert "/x.gguf" not in told(live, to_admin=False, **failed)[0][1]


def test_a_model_on_its_way_is_told_beside_the_one_that_serves(live: Live) -> None:
    coming: dict[str, Any] = {"coming": "hub:acme/b", "coming_state": EngineState.DOWNLOADING, "progress": 0.34}
    kind, text = told(live, state=EngineState.READY, model="a", **coming)[0]
    assert (kind, "acme/b is on its way: downloading (34 %)" in text) == ("loading", True)
    assert "hub:" not in text
    assert "acme/b" not in told(live, to_admin=False, state=EngineState.READY, model="a", **coming)[0][1]
    for state in (EngineState.UNLOADED, EngineState.FAILED):
        alone = told(live, state=state, **coming)
        assert [each[0] for each in alone] == ["loading"]
    stayed = told(live, state=EngineState.READY, model="a", demo=True, **REASON)
    assert [each[0] for each in stayed] == ["failed", "demo"]
    assert "so a goes on" in stayed[0][1]
    assert [each[0] for each in told(live, to_admin=False, state=EngineState.READY, model="a", **REASON)] == []


def test_the_page_shows_every_process_of_the_engine(live: Live, boss: httpx.Client) -> None:
    slots = (
        SlotStatus(
            name="0", device="cuda:0 H100", state=EngineState.READY, memory_used=24 * 10**9, memory_total=8 * 10**10
        ),
        SlotStatus(name="1", state=EngineState.WARMING),
    )
    live.engine.show(slots=slots)
    view = press(boss, "show_engine")[0]
    assert "24.0 GB" in view
    assert "warming up" in view
    with live.client(live.token("engine-boss")) as script:
        found = script.get("/api/v1/admin/engine").json()["slots"]
    assert [each["state"] for each in found] == ["ready", "warming"]
