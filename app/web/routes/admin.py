"""`/api/v1/admin`: what administrators do, each flow asking for its own permission."""

from functools import partial
from typing import Final

from starlette.responses import Response

from app.flows import audit_trail, queue_control, users
from app.flows.studio import Studio
from app.flows.views import audit_json, queue_json, user_json
from app.web.api import Call, json_answer
from app.web.bodies import json_object, limit_of
from app.web.threads import in_thread


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


ENDPOINTS: Final = (
    ("GET", "/admin/users", get_users),
    ("POST", "/admin/users", post_user),
    ("PATCH", "/admin/users/{username}", patch_user),
    ("GET", "/admin/audit", get_audit),
    ("GET", "/admin/queue", get_queue),
    ("POST", "/admin/queue/pause", partial(post_queue, queue_control.pause)),
    ("POST", "/admin/queue/resume", partial(post_queue, queue_control.resume)),
)
