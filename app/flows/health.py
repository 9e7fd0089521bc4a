"""Whether pictures can be made: for monitoring, without names and secrets."""

from app.domain.errors import StudioError
from app.domain.ports import EngineState
from app.flows.studio import Studio


def readiness(studio: Studio) -> list[str]:
    """Why the service is not ready, as short codes; empty when it is."""
    reasons = []
    try:
        studio.store.read(lambda tx: tx.service.get())
    except StudioError:
        reasons.append("database-unavailable")
    if (state := studio.engine.status().state) is not EngineState.READY:
        reasons.append(f"engine-{state.value}")
    return reasons
