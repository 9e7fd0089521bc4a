"""The objects that answers are made of: Job, Image, User and the rest."""

from typing import Final

from app.auth.policy import Permission
from app.domain.generation import SEEDS
from app.domain.jobs import JobState
from app.domain.people import Role
from app.domain.ports import EngineState
from app.web.openapi.schema import Schema, answer, flag, list_of, number, one_of, or_null, ref, text, time, whole
from app.web.problems import STATUS

ID: Final = text(pattern="^[0-9a-f]{16}$")
# The sign-in page alone says this.
NOT_HERE: Final = frozenset({"sign-in-failed"})
CODES: Final = sorted(set(STATUS) - NOT_HERE)

_SEED: Final = whole(0, SEEDS - 1)
_NAMES: Final = {
    "username": text(),
    "display_name": text(),
    "role": one_of(Role),
    "department": text(),
}
# What was asked for; the prompts apart, because the queue of all does not show them.
_PROMPTS: Final = {"prompt": text(), "negative_prompt": text("Empty if there is none")}
_SIZES: Final = {"width": whole(1), "height": whole(1), "steps": whole(1), "guidance_scale": number(0)}
_PROGRESS: Final = {
    "seed": whole(0, SEEDS - 1, "Of the first picture; picture i has (seed + i) mod 2^32"),
    "count": whole(1),
    "exact": flag(),
    "cost": whole(0, description="Pictures"),
    "work": number(0, description="Megapixel-steps"),
    "position": or_null(whole(1, description="1 is next; null when not queued or not known")),
    "eta_seconds": or_null(number(0, description="Null when not known")),
    "step": or_null(whole(0, description="Denoising steps done; null when not running")),
    "attempt": whole(0),
    "error": {"anyOf": [ref("JobError"), {"type": "null"}]},
    "created_at": time(),
    "started_at": or_null(time()),
    "ended_at": or_null(time()),
}
_STATE: Final = {"id": ID, "state": one_of(JobState)}


def _page(name: str) -> Schema:
    cursor = or_null(text("For the next page; null at the end"))
    return answer("", items=list_of(ref(name)), next_cursor=cursor)


def _problem() -> Schema:
    schema = answer(
        "RFC 9457",
        type=text(pattern="^urn:atelier:problem:[a-z-]+$"),
        title=text(),
        status=whole(400, 599),
        detail=text("For people, in their language"),
        code=text("For programs", enum=CODES),
    )
    schema["properties"]["errors"] = {**list_of(ref("FieldError")), "description": "With `invalid-request` only"}
    return schema


OBJECTS: Final[dict[str, Schema]] = {
    "Job": answer(
        "One click",
        **_STATE,
        **_PROMPTS,
        **_SIZES,
        **_PROGRESS,
        picture_index=or_null(whole(0, description="The picture that `step` is about; null when not running")),
        images=list_of(ref("Image")),
    ),
    "JobError": answer("Why the job failed", code=text(), message=text("For people, in their language")),
    "Image": answer(
        "One finished picture",
        id=ID,
        job_id=ID,
        index=whole(0),
        seed=_SEED,
        url=text("The original PNG, relative to the root", format="uri-reference"),
        thumb_url=text("A WebP thumbnail, relative to the root", format="uri-reference"),
        created_at=time(),
        favourite=flag(),
        **_PROMPTS,
        **_SIZES,
    ),
    "Me": answer("My account", **_NAMES, permissions=list_of(one_of(Permission)), quota=ref("Quota")),
    "Quota": answer(
        "Pictures today",
        daily=or_null(whole(0, description="Null when unlimited")),
        used=whole(0),
        reserved=whole(0, description="Held by jobs that have not ended"),
        remaining=or_null(whole(0, description="Null when unlimited")),
        resets_at=time(),
    ),
    "User": answer(
        "An account",
        **_NAMES,
        quota_daily={"anyOf": [whole(0), text("`default` is the role's", enum=["default", "unlimited"])]},
        disabled=flag(),
        created_at=time(),
    ),
    "Events": answer(
        "What changed for me",
        rev=text("Opaque: the next request's `since`; outlives restarts"),
        jobs=list_of(ref("Job")),
    ),
    "AuditEvent": answer(
        "Who did what",
        id=whole(1),
        at=time(),
        actor=text("User name; `system` and `console` are not people"),
        action=text("resource:verb"),
        outcome=text("`ok`, `failed`, `refused` or `throttled`"),
        subject=text("The user name or id that it is about"),
        details={"type": "object", "additionalProperties": True},
        ip_address=text(),
        request_id=text(),
    ),
    "QueuedJob": answer(
        "A waiting or running job, without its prompts", **_STATE, **_SIZES, **_PROGRESS, username=text()
    ),
    "Queue": answer(
        "Running jobs first, then the queue in its order",
        paused=flag(),
        engine=ref("Engine"),
        items=list_of(ref("QueuedJob")),
        next_cursor={"type": "null"},
    ),
    "Engine": answer("What makes the pictures", state=one_of(EngineState), model=text(), device=text()),
    "JobPage": _page("Job"),
    "ImagePage": _page("Image"),
    "UserPage": _page("User"),
    "AuditPage": _page("AuditEvent"),
    "FieldError": answer("A wrong field", field=text(), message=text("For people, in their language")),
    "Problem": _problem(),
}
