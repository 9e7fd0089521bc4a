"""What somebody has typed and not sent yet. It is kept here for its owner alone, so that no browser need keep it.

A draft may be what no job could be: too long, out of range, half written.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from app.auth.policy import Permission
from app.domain.errors import FieldError, InvalidRequestError, NotAuthenticatedError, printable
from app.domain.generation import DEFAULT_SIDE, DEFAULT_STEPS
from app.domain.people import Origin, Principal
from app.flows.identify import require_standing, role_now
from app.flows.studio import Studio
from app.store.transaction import Transaction

MAX_TEXT: Final = 20_000
MAX_SHORT: Final = 64
LARGEST: Final = 1e300
# The fields of the page's form as they stand before anybody has typed.
BLANK: Final[Mapping[str, object]] = {
    "prompt": "",
    "negative_prompt": "",
    "width": DEFAULT_SIDE,
    "height": DEFAULT_SIDE,
    "steps": DEFAULT_STEPS,
    "guidance_scale": 0.0,
    "seed": "",
    "count": 1,
    "bulk": False,
}
TEXTS: Final = frozenset({"prompt", "negative_prompt"})
FLAGS: Final = frozenset({"bulk"})
# Some database or encoding does not take these.
UNKEPT: Final = re.compile("[\0\ud800-\udfff]")


def read_draft(studio: Studio, actor: Principal, origin: Origin) -> dict[str, object] | None:
    """The actor's own draft; None when there is nothing but the empty form."""
    _permit(studio, actor, origin)
    if role_now(studio, actor) is None:
        raise NotAuthenticatedError
    content = studio.store.read(lambda tx: tx.drafts.get(actor.user_id))
    if content is None:
        return None
    draft: dict[str, object] = json.loads(content)
    return draft


def keep_draft(studio: Studio, actor: Principal, body: Mapping[str, object], origin: Origin) -> None:
    """Keep what is typed in the place of what was kept before; of an empty form nothing is kept.

    Raises InvalidRequestError; then nothing is changed.
    """
    _permit(studio, actor, origin)
    draft = parse_draft(body)
    content = json.dumps(draft, ensure_ascii=False, separators=(",", ":"))

    def work(tx: Transaction) -> None:
        require_standing(studio, tx, actor)
        if all(_is_blank(name, value) for name, value in draft.items()):
            tx.drafts.forget(actor.user_id)
        else:
            tx.drafts.keep(actor.user_id, content, studio.clock.now())

    studio.store.write(work)


def _permit(studio: Studio, actor: Principal, origin: Origin) -> None:
    """For whoever may click and is there in person, or by a token that may all: a narrow one reads no half sentence."""
    studio.permit(actor, Permission.JOB_CREATE, origin)
    studio.permit(actor, Permission.ACCOUNT_MANAGE, origin)


def parse_draft(body: Mapping[str, object]) -> dict[str, object]:
    """The draft as any database can hold it, or InvalidRequestError naming every wrong field."""
    errors = [FieldError(printable(name), "field.unknown") for name in sorted(set(body) - set(BLANK))]
    draft: dict[str, object] = {}
    for name in BLANK:
        if name in body:
            value = body[name]
            if (error := _wrong(name, value)) is not None:
                errors.append(error)
            draft[name] = UNKEPT.sub("\ufffd", value) if isinstance(value, str) else value
    if errors:
        raise InvalidRequestError(errors)
    return draft


def _wrong(name: str, value: object) -> FieldError | None:
    if name in FLAGS:
        return None if isinstance(value, bool) else FieldError(name, "field.boolean")
    if isinstance(value, str):
        most = MAX_TEXT if name in TEXTS else MAX_SHORT
        return FieldError(name, "field.too-long", {"max": most}) if len(value) > most else None
    if name in TEXTS:
        return FieldError(name, "field.text")
    # A number field that was emptied has no value at all.
    if value is None or (not isinstance(value, bool) and isinstance(value, int | float) and _is_small(value)):
        return None
    return FieldError(name, "field.number")


def _is_small(value: float) -> bool:
    """No database and no browser reads NaN, infinity or thousands of digits back."""
    return -LARGEST <= value <= LARGEST


def _is_blank(name: str, value: object) -> bool:
    if name in TEXTS or name == "seed":
        return value is None or (isinstance(value, str) and not value.strip())
    return value == BLANK[name]
