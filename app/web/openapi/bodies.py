"""What requests may bring, within the limits that the domain checks."""

from typing import Final

from app.auth.passwords import MAX_LENGTH, MIN_LENGTH
from app.domain.editing import IMAGE_STRENGTH, MASK_STRENGTH, MIN_STRENGTH
from app.domain.generation import (
    DEFAULT_SIDE,
    DEFAULT_STEPS,
    MAX_COUNT,
    MAX_GUIDANCE,
    MAX_PROMPT,
    MAX_PROMPT_TOKENS,
    MAX_SIDE,
    MAX_STEPS,
    MIN_SIDE,
    SEEDS,
    SIDE_STEP,
)
from app.domain.limits import BOUNDS, MAX_BUDGET
from app.domain.loras import DEFAULT_STRENGTH, MAX_LORAS, MAX_STRENGTH
from app.domain.models import MAX_NAME
from app.domain.people import DEVICE_NAMES, MAX_LABEL, MAX_QUOTA, USERNAME, Role
from app.web.openapi.objects import SOURCE
from app.web.openapi.schema import Schema, flag, list_of, number, one_of, or_null, request, text, whole

_SIDE: Final = whole(
    MIN_SIDE, MAX_SIDE, "Pixels; the role may allow less, also by default", multipleOf=SIDE_STEP, default=DEFAULT_SIDE
)
_LABEL: Final = text("No control or bidi characters", maxLength=MAX_LABEL)
_QUOTA: Final = {
    "description": "Pictures a day; `default` is the role's",
    "anyOf": [
        whole(0, MAX_QUOTA),
        text(enum=["default", "unlimited"]),
        text("The number as text", pattern="^[0-9]{1,7}$"),
    ],
}

_DIGITS: Final = text("The number as text", pattern="^-?[0-9]{1,9}$")


def _as_text_too(number: Schema) -> Schema:
    return {"anyOf": [number, _DIGITS]}


BODIES: Final[dict[str, Schema]] = {
    "JobRequest": request(
        "What to make; null is as good as leaving out where it is allowed",
        ["prompt"],
        prompt=text(
            f"Not all blank, no control characters, at most {MAX_PROMPT_TOKENS} tokens",
            minLength=1,
            maxLength=MAX_PROMPT,
        ),
        negative_prompt=or_null(text("Heard with guidance above 0 only", maxLength=MAX_PROMPT, default="")),
        width=_SIDE,
        height=_SIDE,
        steps=whole(1, MAX_STEPS, "The role may allow less, also by default", default=DEFAULT_STEPS),
        guidance_scale=number(0, MAX_GUIDANCE, default=0.0),
        seed=or_null(whole(0, SEEDS - 1, "Random without")),
        count=whole(1, MAX_COUNT, "Pictures; the role may allow less", default=1),
        exact=flag(default=False),
        bulk=flag("Everybody else goes first", default=False),
        image=or_null(text("What to begin with: the id of an own picture or upload", pattern=SOURCE)),
        mask=or_null(text("The same; white where the image may be painted over. With `image` only", pattern=SOURCE)),
        strength=or_null(
            number(
                MIN_STRENGTH,
                1,
                f"How little of the image stays; {IMAGE_STRENGTH} without, {MASK_STRENGTH} with a mask."
                " With `image` only",
            )
        ),
        loras=or_null(
            {
                **list_of(
                    request(
                        "One of `listLoras`",
                        ["name"],
                        name=text(minLength=1, maxLength=100),
                        strength=number(-MAX_STRENGTH, MAX_STRENGTH, default=DEFAULT_STRENGTH),
                    )
                ),
                "maxItems": MAX_LORAS,
                "description": "No name twice",
            }
        ),
    ),
    "NewUser": request(
        "An account to make",
        ["username", "password", "role"],
        username=text(
            "No reserved device name",
            pattern=f"^{USERNAME.pattern}$",
            **{"not": {"pattern": rf"\.$|^({'|'.join(sorted(DEVICE_NAMES))})(\.|$)"}},
        ),
        password=text("Not a common one; counted in NFC", minLength=MIN_LENGTH, maxLength=MAX_LENGTH),
        role=one_of(Role),
        department=or_null({**_LABEL, "default": ""}),
        display_name=or_null({**_LABEL, "description": "As `department`; without one the user name"}),
        quota_daily={**_QUOTA, "default": "default"},
        must_change=flag("Whether the password must be changed at the first login", default=False),
    ),
    "Adjustment": request(
        "What to add to the quota of today",
        ["amount"],
        amount=_as_text_too(
            whole(-MAX_QUOTA, MAX_QUOTA, "Pictures; with a minus to take them away", **{"not": {"const": 0}})
        ),
        reason=or_null(text("No control characters", default="")),
    ),
    "RoleChange": request(
        "What to change; what is left out stays",
        quota_daily={"anyOf": [whole(0, MAX_QUOTA), text(enum=["unlimited"]), _DIGITS]},
        **{name: _as_text_too(whole(low, high, multipleOf=step)) for name, (low, high, step) in BOUNDS.items()},
    ),
    "Budget": request(
        "Pictures a month of a department; null is unlimited",
        ["department", "budget_monthly"],
        department={**_LABEL, "minLength": 1},
        budget_monthly={"anyOf": [whole(0, MAX_BUDGET), text(enum=["unlimited"]), _DIGITS, {"type": "null"}]},
    ),
    "UserChange": request(
        "What to change; what is left out stays",
        role=one_of(Role),
        department=_LABEL,
        display_name=_LABEL,
        quota_daily=_QUOTA,
        disabled=flag("Ends the sessions and cancels what waits and runs"),
    ),
    "ModelToLoad": request(
        "Which model",
        ["model"],
        model=text(
            "`auto`, `demo`, a name out of `getEngine`'s models, or a hub id; never a path",
            minLength=1,
            maxLength=MAX_NAME,
        ),
    ),
}
