"""The objects that answers are made of: Job, Image, User and the rest."""

from typing import Final

from app.auth.policy import Permission
from app.domain.generation import SEEDS
from app.domain.jobs import JobState
from app.domain.limits import BOUNDS
from app.domain.loras import MAX_STRENGTH
from app.domain.people import MAX_QUOTA, Role
from app.domain.ports import EngineState
from app.web.openapi.schema import Schema, answer, flag, list_of, number, one_of, or_null, ref, text, time, whole
from app.web.problems import STATUS

ID: Final = text(pattern="^[0-9a-f]{16}$")
SOURCE: Final = "^([0-9a-f]{16}|u[0-9a-f]{15})$"
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
    "bulk": flag("Everybody else goes first"),
    "strength": or_null(number(0, 1, "How little of the image stays; null without one")),
    "loras": list_of(answer("", name=text(), strength=number(-MAX_STRENGTH, MAX_STRENGTH))),
    "denoising_steps": whole(1, description="How many of `steps` are really made; fewer with an image"),
    "cost": whole(0, description="Pictures"),
    "work": number(0, description="Megapixel-steps"),
    "position": or_null(whole(1, description="1 is next; null when not queued or not known")),
    "eta_seconds": or_null(whole(0, description="Until the last picture is there; null when not known")),
    "step": or_null(whole(0, description="Denoising steps done; null when it does not run on this server")),
    "picture_index": or_null(whole(0, description="The picture that `step` is about; null together with it")),
    "preview": or_null(whole(1, description="Another number for each preview; null while there is none")),
    "attempt": whole(0),
    "error": {"anyOf": [ref("JobError"), {"type": "null"}]},
    "created_at": time(),
    "started_at": or_null(time()),
    "ended_at": or_null(time()),
}
_CURSOR: Final = or_null(text("For the next page; null at the end"))
_COUNTED: Final = {
    "used": whole(0),
    "reserved": whole(0, description="Held by jobs that have not ended"),
    "remaining": or_null(whole(0, description="Null when unlimited")),
    "resets_at": time(),
}
_LIMITS: Final = {name: whole(low, high, multipleOf=step) for name, (low, high, step) in BOUNDS.items()}
_QUOTA: Final = {"anyOf": [whole(0), text(enum=["unlimited"])]}
_REASON: Final = {"anyOf": [ref("EngineReason"), {"type": "null"}]}
_STATE: Final = {"id": ID, "state": one_of(JobState)}


def _page(name: str) -> Schema:
    return answer("", items=list_of(ref(name)), next_cursor=_CURSOR)


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
        image=or_null(text("The id of the picture or upload that it begins with", pattern=SOURCE)),
        mask=or_null(text("The same, white where it is painted over", pattern=SOURCE)),
        images=list_of(ref("Image")),
    ),
    "Upload": answer(
        "A picture to begin with, upright and without metadata",
        id=text(pattern="^u[0-9a-f]{15}$"),
        width=whole(1),
        height=whole(1),
        expires_at=time("Unless a job names it meanwhile"),
    ),
    "UploadPage": answer(
        "What was sent or named last first", items=list_of(ref("Upload")), next_cursor={"type": "null"}
    ),
    "Lora": answer(
        "A small addition to the model",
        name=text(),
        title=text("For people"),
        triggers={**list_of(text()), "description": "Words that its training tied it to; put them into the prompt"},
    ),
    "LoraPage": answer("By name", items=list_of(ref("Lora")), next_cursor={"type": "null"}),
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
        cached=flag("It was there already: made before with the same words, seed and model"),
        charged=flag("It counts in the quota"),
        **_PROMPTS,
        **_SIZES,
    ),
    "Me": answer(
        "My account",
        **_NAMES,
        permissions=list_of(one_of(Permission)),
        quota=ref("Quota"),
        budget={"anyOf": [ref("MonthBudget"), {"type": "null"}]},
        limits=answer("Of a click, and of the queue", **{name: _LIMITS[name] for name in BOUNDS if name != "weight"}),
    ),
    "MonthBudget": answer("Pictures of my department this month", monthly=whole(0), **_COUNTED),
    "Quota": answer(
        "Pictures today",
        daily=or_null(whole(0, description="With what was added; null when unlimited")),
        **_COUNTED,
    ),
    "Role": answer("A role's limits", role=one_of(Role), quota_daily=_QUOTA, **_LIMITS),
    "Department": answer(
        "A department and its present month",
        department=text(),
        people=whole(0),
        budget_monthly=or_null(whole(0, description="Null when unlimited")),
        used=whole(0),
        reserved=whole(0),
    ),
    "LedgerEntry": answer(
        "One line of the ledger",
        at=time(),
        kind=text(enum=["reserve", "commit", "release", "adjust"]),
        amount=whole(-MAX_QUOTA, description="Pictures; below 0 only to adjust"),
        job_id=or_null(ID),
        index=or_null(whole(0, description="Of the picture that was charged")),
        actor=text("Who caused it; `system` is the machine"),
        reason=text(),
    ),
    "DayLedger": answer(
        "A day and its entries",
        day=text(format="date"),
        quota=ref("Quota"),
        items=list_of(ref("LedgerEntry")),
        next_cursor=_CURSOR,
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
        paused=flag("Nothing starts"),
        draining=flag("Nothing is accepted either"),
        engine=ref("Engine"),
        cache=ref("Cache"),
        items=list_of(ref("QueuedJob")),
        next_cursor={"type": "null"},
    ),
    "Engine": answer("What makes the pictures", state=one_of(EngineState), model=text(), device=text()),
    "Cache": answer(
        "Finished pictures that are kept to be given again; counted since this server began",
        entries=whole(0),
        bytes=whole(0),
        most_bytes=whole(0, description="0: none are kept"),
        hits=whole(0, description="Pictures that came from there"),
        misses=whole(0, description="Pictures that had to be made"),
    ),
    "EngineView": answer(
        "The engine of the server that answers",
        state=one_of(EngineState),
        model=text(),
        device=text(),
        demo=flag("The small model that ships with Atelier"),
        progress=or_null(number(0, 1, "Of a download; null when nobody knows")),
        reason=_REASON,
        coming={"anyOf": [ref("ComingModel"), {"type": "null"}]},
        slots=list_of(ref("Slot")),
        models=list_of(ref("FoundModel")),
    ),
    "ComingModel": answer(
        "Another model on its way, while the present one serves", model=text(), state=or_null(one_of(EngineState))
    ),
    "Slot": answer(
        "One process of the engine and its device; memory in bytes",
        name=text(),
        device=text(),
        state=one_of(EngineState),
        profile=text(),
        memory_used=or_null(whole(0)),
        memory_total=or_null(whole(0)),
        seconds=or_null(number(0, description="Of one megapixel in one step, as last measured")),
        most=whole(1, description="Pictures of up to 512x512 that share a step"),
        largest_side=whole(1, description="Pixels"),
        running=whole(0),
    ),
    "FoundModel": answer(
        "A model on this machine",
        name=text(),
        kind=text(enum=["demo", "folder", "file", "gguf"]),
        size=whole(0, description="Bytes"),
        reason=_REASON,
    ),
    "EngineReason": answer("What is wrong", code=text(), message=text("For people, in their language")),
    "JobPage": _page("Job"),
    "ImagePage": _page("Image"),
    "UserPage": _page("User"),
    "RolePage": _page("Role"),
    "DepartmentPage": _page("Department"),
    "AuditPage": _page("AuditEvent"),
    "FieldError": answer("A wrong field", field=text(), message=text("For people, in their language")),
    "Problem": _problem(),
}
