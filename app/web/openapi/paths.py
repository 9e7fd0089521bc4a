"""The operations. A test holds them against the routes that the application has."""

from collections.abc import Iterable
from typing import Any

from app.domain.uploads import MAX_BYTES, MAX_PIXELS, TYPES
from app.web.openapi.answers import TO_LOGIN, json_of, responses
from app.web.openapi.parameters import use
from app.web.openapi.schema import ref

Operation = dict[str, Any]


def paths() -> dict[str, Any]:
    tagged = {
        "account": _account(),
        "jobs": _jobs() | _live() | _sources(),
        "images": _images(),
        "admin": {**_people(), **_limits(), **_administration(), **_engine()},
    }
    for_all = {"parameters": use("AcceptLanguage")}
    return {path: for_all | _tagged(tag, item) for tag, items in tagged.items() for path, item in items.items()}


def _tagged(tag: str, item: dict[str, Operation]) -> dict[str, Operation]:
    return {method: {"tags": [tag], **operation} for method, operation in item.items()}


def _account() -> dict[str, dict[str, Operation]]:
    me = _get("getMe", "Who I am, what I may, what is left today", {"200": json_of(ref("Me"))})
    return {"/me": {"get": me}}


def _jobs() -> dict[str, dict[str, Operation]]:
    submit = _unsafe(
        "createJob",
        "Ask for pictures; `not-found` if what they begin with is not there or not yours",
        {"202": json_of(ref("Job"), "Queued"), "200": json_of(ref("Job"), "The job that this key made before")},
        [
            "not-permitted",
            "not-found",
            "conflict",
            "unsupported-media-type",
            "invalid-request",
            "quota-exceeded",
            "too-many-jobs",
            "rate-limited",
            "service-paused",
            "engine-unavailable",
        ],
        parameters=["IdempotencyKey"],
        body="JobRequest",
    )
    listed = _get(
        "listJobs",
        "Own jobs, newest first",
        {"200": json_of(ref("JobPage"))},
        ["not-permitted", "invalid-request"],
        parameters=["State", "Cursor", "Limit"],
    )
    one = _get("getJob", "One job", {"200": json_of(ref("Job"))}, ["not-permitted", "not-found"], parameters=["Id"])
    cancel = _unsafe(
        "cancelJob",
        "Cancel, within one denoising step; `conflict` if it has ended",
        {"200": json_of(ref("Job"))},
        ["not-permitted", "not-found", "conflict"],
        parameters=["Id"],
    )
    return {"/jobs": {"get": listed, "post": submit}, "/jobs/{id}": {"get": one, "delete": cancel}}


def _sources() -> dict[str, dict[str, Operation]]:
    sent = _unsafe(
        "createUpload",
        f"Bring a picture to begin with: at most {MAX_BYTES // 10**6} MB and {MAX_PIXELS} pixels, kept for"
        " 24 hours after the last job that named it; `conflict` if you have too many",
        {"201": json_of(ref("Upload"), "Kept")},
        ["not-permitted", "conflict", "unsupported-media-type", "invalid-request", "rate-limited"],
    )
    picture = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
    sent["requestBody"] = {"required": True, "content": dict.fromkeys(TYPES, picture)}
    own = _get("listUploads", "What you brought along", {"200": json_of(ref("UploadPage"))}, ["not-permitted"])
    gone = _unsafe(
        "deleteUpload",
        "Throw one away; `conflict` while an unfinished job begins with it",
        {"204": {"description": "Done"}},
        ["not-permitted", "not-found", "conflict"],
        parameters=["UploadId"],
    )
    loras = _get("listLoras", "The LoRAs that a job may name", {"200": json_of(ref("LoraPage"))}, ["not-permitted"])
    return {"/uploads": {"get": own, "post": sent}, "/uploads/{id}": {"delete": gone}, "/loras": {"get": loras}}


def _live() -> dict[str, dict[str, Operation]]:
    events = _get(
        "getEvents",
        "Long poll: what changed for me since `since`; nothing new is the same `rev` and no job",
        {"200": json_of(ref("Events"))},
        ["not-permitted", "invalid-request"],
        parameters=["Since", "Wait"],
    )
    preview = _get(
        "getJobPreview",
        "What the picture of a running job promises to be, for its owner alone; `not-found` if there is none now",
        {"200": {"description": "A small WebP", "content": {"image/webp": {"schema": {"type": "string"}}}}},
        ["not-permitted", "not-found"],
        parameters=["Id"],
    )
    return {"/jobs/{id}/preview": {"get": preview}, "/events": {"get": events}}


def _images() -> dict[str, dict[str, Operation]]:
    listed = _get(
        "listImages",
        "Own pictures, newest first",
        {"200": json_of(ref("ImagePage"))},
        ["not-permitted", "invalid-request"],
        parameters=["Cursor", "Limit"],
    )
    one = _get(
        "getImage", "One picture", {"200": json_of(ref("Image"))}, ["not-permitted", "not-found"], parameters=["Id"]
    )
    gone = _unsafe(
        "deleteImage",
        "Into the bin: not found from then on",
        {"204": {"description": "Done"}},
        ["not-permitted", "not-found"],
        parameters=["Id"],
    )
    return {
        "/images": {"get": listed},
        "/images/{id}": {"get": one, "delete": gone},
    }


def _people() -> dict[str, dict[str, Operation]]:
    listed = _get(
        "listUsers",
        "All accounts, oldest first",
        {"200": json_of(ref("UserPage"))},
        ["not-permitted", "invalid-request"],
        parameters=["Cursor", "Limit"],
    )
    made = _unsafe(
        "createUser",
        "Make an account; `conflict` if the name is taken",
        {"201": json_of(ref("User"), "Made")},
        ["not-permitted", "conflict", "unsupported-media-type", "invalid-request"],
        body="NewUser",
    )
    changed = _unsafe(
        "changeUser",
        "Change an account; `conflict` for the last administrator",
        {"200": json_of(ref("User"))},
        ["not-permitted", "not-found", "conflict", "unsupported-media-type", "invalid-request"],
        parameters=["Username"],
        body="UserChange",
    )
    return {
        "/admin/users": {"get": listed, "post": made},
        "/admin/users/{username}": {"patch": changed},
    }


def _limits() -> dict[str, dict[str, Operation]]:
    refused = ["not-permitted", "unsupported-media-type", "invalid-request"]
    ledger = _get(
        "getDayLedger",
        "Somebody's quota of a day, and every entry that explains it, newest first",
        {"200": json_of(ref("DayLedger"))},
        ["not-permitted", "not-found", "invalid-request"],
        parameters=["Username", "Day", "Cursor", "Limit"],
    )
    adjusted = _unsafe(
        "adjustQuota",
        "Add pictures to somebody's quota of today, or take some away",
        {"200": json_of(ref("Quota"))},
        ["not-found", *refused],
        parameters=["Username"],
        body="Adjustment",
    )
    role = _unsafe(
        "changeRole",
        "Change limits of a role; they hold from the next click on",
        {"200": json_of(ref("Role"))},
        ["not-found", *refused],
        parameters=["Role"],
        body="RoleChange",
    )
    budget = _unsafe(
        "setBudget",
        "Give a department a budget of pictures a month, or none",
        {"200": json_of(ref("Department"))},
        refused,
        body="Budget",
    )
    roles = _get("listRoles", "The limits of every role", {"200": json_of(ref("RolePage"))}, ["not-permitted"])
    departments = _get(
        "listDepartments",
        "Departments and their present month",
        {"200": json_of(ref("DepartmentPage"))},
        ["not-permitted"],
    )
    return {
        "/admin/users/{username}/quota": {"get": ledger, "post": adjusted},
        "/admin/roles": {"get": roles},
        "/admin/roles/{role}": {"patch": role},
        "/admin/departments": {"get": departments, "patch": budget},
    }


def _administration() -> dict[str, dict[str, Operation]]:
    queue = {"200": json_of(ref("Queue"))}
    trail = _get(
        "listAuditEvents",
        "The audit trail, newest first",
        {"200": json_of(ref("AuditPage"))},
        ["not-permitted", "invalid-request"],
        parameters=["Actor", "Action", "From", "To", "Cursor", "Limit"],
    )
    shown = _get("getQueue", "The queue of all", queue, ["not-permitted"])
    drained = _unsafe(
        "drainQueue", "Accept and start nothing; what runs is finished, what waits waits on", queue, ["not-permitted"]
    )
    paused = _unsafe("pauseQueue", "Start nothing new; jobs are accepted and wait", queue, ["not-permitted"])
    resumed = _unsafe("resumeQueue", "Start jobs again", queue, ["not-permitted"])
    this = _get("getDocument", "This document", {"200": json_of({"type": "object"})}, ["not-permitted"])
    return {
        "/admin/audit": {"get": trail},
        "/admin/queue": {"get": shown},
        "/admin/queue/pause": {"post": paused},
        "/admin/queue/drain": {"post": drained},
        "/admin/queue/resume": {"post": resumed},
        "/openapi.json": {"get": this},
    }


def _engine() -> dict[str, dict[str, Operation]]:
    shown = _get(
        "getEngine", "The engine, and the models on its machine", {"200": json_of(ref("EngineView"))}, ["not-permitted"]
    )
    accepted = {"202": json_of(ref("EngineView"), "Every server does so; how far it is, `getEngine` tells")}
    loaded = _unsafe(
        "loadModel",
        "Load another model; what serves goes on until it is ready, and stays if it fails",
        accepted,
        ["not-permitted", "unsupported-media-type", "invalid-request"],
        body="ModelToLoad",
    )
    unloaded = _unsafe(
        "unloadModel",
        "Finish what runs, then give the memory back; jobs wait for the next load",
        accepted,
        ["not-permitted"],
    )
    return {
        "/admin/engine": {"get": shown},
        "/admin/engine/load": {"post": loaded},
        "/admin/engine/unload": {"post": unloaded},
    }


def _get(
    name: str, summary: str, given: dict[str, Any], codes: Iterable[str] = (), *, parameters: Iterable[str] = ()
) -> Operation:
    made = {"operationId": name, "summary": summary, "responses": responses({**given, "303": TO_LOGIN}, codes)}
    return {**made, "parameters": use(*parameters)}


def _unsafe(
    name: str,
    summary: str,
    given: dict[str, Any],
    codes: Iterable[str],
    *,
    parameters: Iterable[str] = (),
    body: str = "",
) -> Operation:
    made = {"operationId": name, "summary": summary, "responses": responses(given, ["cross-site", *codes])}
    if body:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref(body)}}}
    return {**made, "parameters": use(*parameters)}
