"""Which LoRAs there are to name in a request."""

from app.auth.policy import Permission
from app.domain.errors import FieldError, InvalidRequestError
from app.domain.loras import Lora, LoraUse
from app.domain.people import Origin, Principal
from app.flows.studio import Studio


def list_loras(studio: Studio, actor: Principal, origin: Origin) -> tuple[Lora, ...]:
    """By name, for whoever may generate."""
    studio.permit(actor, Permission.JOB_CREATE, origin)
    return studio.loras.list()


def require_loras(studio: Studio, wanted: tuple[LoraUse, ...]) -> None:
    """Raises InvalidRequestError for the first that is not there."""
    there = studio.loras.names() if wanted else frozenset()
    for each in wanted:
        if each.name not in there:
            raise InvalidRequestError([FieldError("loras", "field.no-such-lora", {"name": each.name})])
