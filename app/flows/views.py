"""What flows answer, as the JSON objects of the API (docs/API.md), for the web and the command line alike."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from app.domain.jobs import Job, Picture
from app.domain.limits import FIELDS, shown_limit
from app.domain.loras import Lora
from app.domain.models import FROM_HUB, FoundModel
from app.domain.people import RoleLimits, User, quota_text
from app.domain.ports import EngineStatus
from app.flows.account import Me
from app.flows.audit_trail import AuditRow
from app.flows.engine_control import EngineView
from app.flows.jobs import JobView
from app.flows.limits import DepartmentMonth
from app.flows.queue_control import QueueView
from app.flows.quota_ledger import DayLedger
from app.flows.uploads import Upload
from app.messages import translate
from app.messages.catalogue import catalogue
from app.quota.ledger import Balance
from app.store.identity import TokenRow
from app.store.quota import WHOLE_JOB


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339, UTC, `Z`."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def image_json(picture: Picture) -> dict[str, Any]:
    return {
        "id": picture.id,
        "job_id": picture.job_id,
        "index": picture.index,
        "seed": picture.seed,
        "width": picture.width,
        "height": picture.height,
        "url": f"/outputs/{picture.id}",
        "thumb_url": f"/outputs/{picture.id}/thumb",
        "created_at": timestamp(picture.created_at),
        "prompt": picture.prompt,
        "negative_prompt": picture.negative_prompt,
        "steps": picture.steps,
        "guidance_scale": picture.guidance_scale,
        "favourite": picture.favourite,
        "cached": picture.cached,
        "charged": picture.charged,
    }


def job_json(view: JobView, language: str) -> dict[str, Any]:
    return _job(view.job, language) | {
        "position": view.position,
        "eta_seconds": view.eta_seconds,
        "step": view.step,
        "picture_index": view.picture_index,
        "preview": view.preview,
        "images": [image_json(picture) for picture in view.pictures],
    }


def _job(job: Job, language: str) -> dict[str, Any]:
    error = job.error_code and {"code": job.error_code, "message": translate(language, f"job.{job.error_code}")}
    return {
        "id": job.id,
        "state": job.state.value,
        "prompt": job.prompt,
        "negative_prompt": job.negative_prompt,
        "width": job.width,
        "height": job.height,
        "steps": job.steps,
        "guidance_scale": job.guidance_scale,
        "seed": job.seed,
        "count": job.count,
        "exact": job.exact,
        "bulk": job.bulk,
        "image": job.image,
        "mask": job.mask,
        "strength": job.strength,
        "loras": [asdict(each) for each in job.loras],
        "denoising_steps": job.denoising_steps,
        "cost": job.cost,
        "work": job.work,
        "position": None,
        "eta_seconds": None,
        "step": None,
        "attempt": job.attempt,
        "error": error,
        "created_at": timestamp(job.created_at),
        "started_at": timestamp(job.started_at),
        "ended_at": timestamp(job.ended_at),
        "images": [],
    }


def upload_json(upload: Upload) -> dict[str, Any]:
    return {**asdict(upload), "expires_at": timestamp(upload.expires_at)}


def lora_json(lora: Lora) -> dict[str, Any]:
    return {**asdict(lora), "triggers": list(lora.triggers)}


def user_json(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "display_name": user.display_name,
        "department": user.department,
        "role": user.role.value,
        "quota_daily": quota_text(user.quota_daily),
        "disabled": user.disabled_at is not None,
        "created_at": timestamp(user.created_at),
    }


def token_json(token: TokenRow, username: str) -> dict[str, Any]:
    """`scopes` null: whatever the owner may."""
    return {
        "id": token.id,
        "username": username,
        "name": token.name,
        "scopes": None if token.scopes is None else sorted(token.scopes),
        "addresses": list(token.addresses),
        "quota_daily": token.quota_daily,
        "created_at": timestamp(token.created_at),
        "expires_at": timestamp(token.expires_at),
        "last_used_at": timestamp(token.last_used_at),
        "revoked_at": timestamp(token.revoked_at),
    }


def role_json(limits: RoleLimits) -> dict[str, Any]:
    return {"role": limits.role.value} | {name: shown_limit(name, getattr(limits, name)) for name in FIELDS}


def department_json(found: DepartmentMonth) -> dict[str, Any]:
    return asdict(found)


def quota_json(quota: Balance) -> dict[str, Any]:
    """`daily` and `remaining` null: unlimited."""
    return {
        "daily": None if quota.remaining is None else quota.allowance,
        "used": quota.used,
        "reserved": quota.reserved,
        "remaining": quota.remaining,
        "resets_at": timestamp(quota.resets_at),
    }


def ledger_json(ledger: DayLedger) -> dict[str, Any]:
    items = [
        {
            "at": timestamp(entry.created_at),
            "kind": entry.kind,
            "amount": entry.amount,
            "job_id": entry.job_id,
            "index": None if entry.picture_index == WHOLE_JOB else entry.picture_index,
            "actor": entry.actor,
            "reason": entry.reason,
        }
        for entry in ledger.entries.items
    ]
    day, quota = ledger.day.isoformat(), quota_json(ledger.quota)
    return {"day": day, "quota": quota, "items": items, "next_cursor": ledger.entries.next_cursor}


def me_json(me: Me) -> dict[str, Any]:
    """`budget` null: the department has none; its `monthly` is what it may make in a month."""
    user, limits = me.actor.user, role_json(me.actor.limits)
    budget = me.budget and quota_json(me.budget)
    if budget:
        budget["monthly"] = budget.pop("daily")
    return {
        "username": user.username,
        "display_name": user.display_name,
        "role": user.role.value,
        "department": user.department,
        "permissions": list(me.permissions),
        "quota": quota_json(me.quota),
        "budget": budget,
        "limits": {name: value for name, value in limits.items() if name not in {"role", "quota_daily", "weight"}},
    }


def audit_json(row: AuditRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": timestamp(row.at),
        "actor": row.actor,
        "action": row.action,
        "outcome": row.outcome,
        "subject": row.subject,
        "details": json.loads(row.details),
        "ip_address": row.ip_address,
        "request_id": row.request_id,
    }


def queue_json(view: QueueView, language: str) -> dict[str, Any]:
    """Prompts of others stay out: steering the queue does not need them."""
    hidden = {"prompt", "negative_prompt", "image", "mask", "images"}
    jobs = [
        {key: value for key, value in job_json(each, language).items() if key not in hidden}
        | {"username": each.job.username}
        for each in view.jobs
    ]
    return {
        "paused": view.paused,
        "draining": view.draining,
        "engine": {"state": view.engine.state.value, "model": view.engine.model, "device": view.engine.device},
        "cache": asdict(view.cache),
        "items": jobs,
        "next_cursor": None,
    }


def engine_json(view: EngineView, language: str) -> dict[str, Any]:
    return engine_status_json(view.status, language) | {"models": [_model(each, language) for each in view.models]}


def engine_status_json(status: EngineStatus, language: str) -> dict[str, Any]:
    """`reason` null: nothing is wrong. While another model is on its way, `progress` is of that one."""
    coming = None
    if status.coming:
        coming = {"model": shown_model(status.coming), "state": status.coming_state and status.coming_state.value}
    return {
        "state": status.state.value,
        "model": shown_model(status.model),
        "device": status.device,
        "demo": status.demo,
        "progress": status.progress,
        "reason": reason_json(status.reason, status.params, language),
        "coming": coming,
        "slots": [asdict(each) for each in status.slots],
    }


def _model(model: FoundModel, language: str) -> dict[str, Any]:
    reason = reason_json(model.reason, model.params, language)
    return {"name": model.name, "kind": model.kind, "size": model.size, "reason": reason}


def reason_json(key: str, params: Mapping[str, str | int | float], language: str) -> dict[str, str] | None:
    """The code is the catalogue's key without its house: `engine.disk-full` is `disk-full`."""
    if not key:
        return None
    # A server of another version may know reasons that are news here.
    message = translate(language, key, **params) if key in catalogue(language) else key
    return {"code": key.rpartition(".")[2], "message": message}


def shown_model(name: str) -> str:
    """As people call it: that it comes from a hub is no part of its name."""
    return name.removeprefix(FROM_HUB)
