"""`/api/v1/admin` and the document of the API: what administrators do, each flow asking for its own permission."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from starlette.responses import Response

from app.auth.policy import Permission
from app.flows import audit_trail, engine_control, limits, queue_control, quota_ledger, users
from app.flows.studio import Studio
from app.flows.views import (
    audit_json,
    department_json,
    engine_json,
    ledger_json,
    queue_json,
    quota_json,
    role_json,
    user_json,
)
from app.web.api import Call, json_answer
from app.web.bodies import json_object, limit_of
from app.web.openapi import document
from app.web.threads import in_thread

Endpoint = Callable[[Studio, Call], Awaitable[Response]]


async def get_users(studio: Studio, call: Call) -> Response:
    page = await in_thread(
        users.page_users,
        studio,
        call.actor,
        cursor=call.query.get("cursor"),
        limit=limit_of(call.query),
        origin=call.origin,
    )
    return json_answer({"items": [user_json(each) for each in page.items], "next_cursor": page.next_cursor})


async def post_user(studio: Studio, call: Call) -> Response:
    body = await json_object(call.request)
    made = await in_thread(users.create_user_with_password, studio, call.actor, body, call.origin)
    return json_answer(user_json(made), 201)


async def patch_user(studio: Studio, call: Call) -> Response:
    body = await json_object(call.request)
    changed = await in_thread(users.change_user, studio, call.actor, call.path("username"), body, call.origin)
    return json_answer(user_json(changed))


async def get_quota(studio: Studio, call: Call) -> Response:
    page = quota_ledger.LedgerPage(
        day=call.query.get("day"), cursor=call.query.get("cursor"), limit=limit_of(call.query)
    )
    found = await in_thread(quota_ledger.day_ledger, studio, call.actor, call.path("username"), page, call.origin)
    return json_answer(ledger_json(found))


async def post_quota(studio: Studio, call: Call) -> Response:
    body = await json_object(call.request)
    left = await in_thread(quota_ledger.adjust_quota, studio, call.actor, call.path("username"), body, call.origin)
    return json_answer(quota_json(left))


async def get_roles(studio: Studio, call: Call) -> Response:
    found = await in_thread(limits.list_roles, studio, call.actor, call.origin)
    return json_answer({"items": [role_json(each) for each in found], "next_cursor": None})


async def patch_role(studio: Studio, call: Call) -> Response:
    body = await json_object(call.request)
    changed = await in_thread(limits.change_role, studio, call.actor, call.path("role"), body, call.origin)
    return json_answer(role_json(changed))


async def get_departments(studio: Studio, call: Call) -> Response:
    found = await in_thread(limits.list_departments, studio, call.actor, call.origin)
    return json_answer({"items": [department_json(each) for each in found], "next_cursor": None})


async def patch_department(studio: Studio, call: Call) -> Response:
    body = await json_object(call.request)
    return json_answer(department_json(await in_thread(limits.set_budget, studio, call.actor, body, call.origin)))


async def get_audit(studio: Studio, call: Call) -> Response:
    wanted = audit_trail.AuditFilter(
        actor=call.query.get("actor"),
        action=call.query.get("action"),
        since=call.query.get("from"),
        until=call.query.get("to"),
    )
    page = await in_thread(
        audit_trail.list_events,
        studio,
        call.actor,
        wanted,
        cursor=call.query.get("cursor"),
        limit=limit_of(call.query),
        origin=call.origin,
    )
    return json_answer({"items": [audit_json(each) for each in page.items], "next_cursor": page.next_cursor})


async def get_queue(studio: Studio, call: Call) -> Response:
    view = await in_thread(queue_control.view_queue, studio, call.actor, call.origin)
    return json_answer(queue_json(view, call.language))


async def post_queue(steer: queue_control.Steer, studio: Studio, call: Call) -> Response:
    await in_thread(steer, studio, call.actor, call.origin)
    return await get_queue(studio, call)


async def get_engine(studio: Studio, call: Call) -> Response:
    view = await in_thread(engine_control.view_engine, studio, call.actor, call.origin)
    return json_answer(engine_json(view, call.language))


async def post_engine_load(studio: Studio, call: Call) -> Response:
    await in_thread(engine_control.load, studio, call.actor, await json_object(call.request), call.origin)
    return await _engine_accepted(studio, call)


async def post_engine_unload(studio: Studio, call: Call) -> Response:
    await in_thread(engine_control.unload, studio, call.actor, call.origin)
    return await _engine_accepted(studio, call)


async def _engine_accepted(studio: Studio, call: Call) -> Response:
    view = await in_thread(engine_control.view_engine, studio, call.actor, call.origin)
    return json_answer(engine_json(view, call.language), 202)


async def get_document(studio: Studio, call: Call) -> Response:
    del studio
    return json_answer(document(call.root))


def _permitted(permission: Permission, endpoint: Endpoint) -> Endpoint:
    """Whoever may not is refused before anything of the request is read, and the trail tells."""

    async def answer(studio: Studio, call: Call) -> Response:
        await in_thread(studio.permit, call.actor, permission, call.origin)
        return await endpoint(studio, call)

    return answer


ENDPOINTS: Final = tuple(
    (method, path, _permitted(permission, endpoint))
    for method, path, permission, endpoint in (
        ("GET", "/admin/users", Permission.USER_MANAGE, get_users),
        ("POST", "/admin/users", Permission.USER_MANAGE, post_user),
        ("PATCH", "/admin/users/{username}", Permission.USER_MANAGE, patch_user),
        ("GET", "/admin/users/{username}/quota", Permission.LIMITS_MANAGE, get_quota),
        ("POST", "/admin/users/{username}/quota", Permission.LIMITS_MANAGE, post_quota),
        ("GET", "/admin/roles", Permission.LIMITS_MANAGE, get_roles),
        ("PATCH", "/admin/roles/{role}", Permission.LIMITS_MANAGE, patch_role),
        ("GET", "/admin/departments", Permission.LIMITS_MANAGE, get_departments),
        ("PATCH", "/admin/departments", Permission.LIMITS_MANAGE, patch_department),
        ("GET", "/admin/audit", Permission.AUDIT_READ, get_audit),
        ("GET", "/admin/queue", Permission.QUEUE_MANAGE, get_queue),
        ("POST", "/admin/queue/pause", Permission.QUEUE_MANAGE, partial(post_queue, queue_control.pause)),
        ("POST", "/admin/queue/drain", Permission.QUEUE_MANAGE, partial(post_queue, queue_control.drain)),
        ("POST", "/admin/queue/resume", Permission.QUEUE_MANAGE, partial(post_queue, queue_control.resume)),
        ("GET", "/admin/engine", Permission.ENGINE_MANAGE, get_engine),
        ("POST", "/admin/engine/load", Permission.ENGINE_MANAGE, post_engine_load),
        ("POST", "/admin/engine/unload", Permission.ENGINE_MANAGE, post_engine_unload),
        ("GET", "/openapi.json", Permission.SERVICE_INSPECT, get_document),
    )
)
