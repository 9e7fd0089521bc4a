"""How the service is, for everybody who is signed in: the banners of the page."""

from dataclasses import dataclass

from app.auth.policy import Permission
from app.domain.people import Origin, Principal
from app.domain.ports import EngineStatus
from app.flows.studio import Studio


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    engine: EngineStatus
    paused: bool
    draining: bool


def service_status(studio: Studio, actor: Principal, origin: Origin) -> ServiceStatus:
    studio.permit(actor, Permission.EXAMPLE_READ, origin)
    service = studio.store.read(lambda tx: tx.service.get())
    return ServiceStatus(studio.engine.status(), service.paused, service.draining)
