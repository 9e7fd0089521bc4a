"""What the page's banners say about the service: a paused queue, the demo model, a model on its way, a failure."""

from collections.abc import Iterator
from typing import Any

from app.auth.policy import Permission, allows
from app.domain.people import Principal
from app.domain.ports import EngineState, EngineStatus
from app.flows.status import ServiceStatus
from app.flows.views import shown_model
from app.messages import translate
from app.messages.catalogue import catalogue


def status_json(status: ServiceStatus, actor: Principal, language: str) -> dict[str, Any]:
    """Why the engine failed, and what is on its way, is for administrators: it names folders and addresses."""
    engine = status.engine
    notices = []
    if status.paused:
        what = "draining" if status.draining else "paused"
        notices.append(_notice("paused", translate(language, f"ui.service.{what}")))
    notices.extend(_of_engine(engine, language, is_told_all=allows(actor, Permission.ENGINE_MANAGE)))
    return {
        "ready": engine.state is EngineState.READY,
        "paused": status.paused,
        "draining": status.draining,
        "notices": notices,
    }


def _of_engine(engine: EngineStatus, language: str, *, is_told_all: bool) -> Iterator[dict[str, Any]]:
    reason = _reason(engine, language) if is_told_all else ""
    if engine.coming:
        yield _coming(engine, language, is_told_all=is_told_all)
    elif engine.state is EngineState.READY and reason:
        text = translate(language, "ui.service.stayed", model=shown_model(engine.model), reason=reason)
        yield _notice("failed", text)
    if engine.state is EngineState.READY:
        if engine.demo:
            yield _notice("demo", translate(language, "ui.service.demo"))
        if is_told_all and engine.notice in catalogue(language):
            yield _notice("failed", translate(language, engine.notice, **engine.notice_params))
    elif engine.coming:
        return
    elif engine.state is EngineState.FAILED:
        text = translate(language, f"ui.service.{'failed-because' if reason else 'failed'}", reason=reason)
        yield _notice("failed", text)
    elif engine.state in {EngineState.STOPPED, EngineState.UNLOADED}:
        yield _notice("failed", translate(language, f"ui.service.{engine.state.value}"))
    else:
        yield _on_the_way(engine, language)


def _on_the_way(engine: EngineStatus, language: str) -> dict[str, Any]:
    percent = round(100 * (engine.progress or 0.0))
    return _notice("loading", translate(language, f"ui.service.{engine.state.value}", percent=percent), engine.progress)


def _coming(engine: EngineStatus, language: str, *, is_told_all: bool) -> dict[str, Any]:
    """Beside a model that serves, or none."""
    serves = engine.state is EngineState.READY
    key = f"ui.service.{'coming' if serves else 'coming-alone'}{'-named' if is_told_all else ''}"
    state = translate(language, f"ui.engine.{(engine.coming_state or EngineState.STARTING).value}")
    if engine.progress is not None:
        state += f" ({round(100 * engine.progress)} %)"
    return _notice("loading", translate(language, key, model=shown_model(engine.coming), state=state), engine.progress)


def _reason(engine: EngineStatus, language: str) -> str:
    return translate(language, engine.reason, **engine.params) if engine.reason in catalogue(language) else ""


def _notice(kind: str, text: str, progress: float | None = None) -> dict[str, Any]:
    return {"kind": kind, "text": text, "progress": progress}
