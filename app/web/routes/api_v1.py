"""`/api/v1`: the same flows as the page, for scripts."""

from functools import partial

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.errors import FieldError, InvalidRequestError, NotFoundError
from app.domain.jobs import JobState
from app.flows import account, cancel, gallery, jobs, submit
from app.flows.preview import preview
from app.flows.studio import Studio
from app.flows.views import image_json, job_json, me_json
from app.web.api import DEFAULT_WAIT, MAX_WAIT, Call, http_problem, json_answer, routes
from app.web.bodies import json_object, limit_of, whole_number
from app.web.routes import admin, uploads
from app.web.threads import in_thread


def api_v1(studio: Studio) -> Starlette:
    """The application to mount at `/api/v1`."""
    endpoints = (
        ("GET", "/me", get_me),
        ("POST", "/jobs", post_job),
        ("GET", "/jobs", get_jobs),
        ("GET", "/jobs/{id}", get_job),
        ("DELETE", "/jobs/{id}", delete_job),
        ("GET", "/jobs/{id}/preview", get_preview),
        ("GET", "/events", get_events),
        ("GET", "/images", get_images),
        ("POST", "/images/search", not_yet),
        ("GET", "/images/{id}", get_image),
        ("DELETE", "/images/{id}", delete_image),
        *uploads.ENDPOINTS,
        *admin.ENDPOINTS,
    )
    bound = [(method, path, partial(endpoint, studio)) for method, path, endpoint in endpoints]
    return Starlette(routes=routes(bound), exception_handlers={HTTPException: http_problem})


async def get_me(studio: Studio, call: Call) -> Response:
    return json_answer(me_json(await in_thread(account.me, studio, call.actor)))


async def post_job(studio: Studio, call: Call) -> Response:
    body = await json_object(call.request)
    key = call.request.headers.get("idempotency-key")
    made = await in_thread(submit.submit, studio, call.actor, body, origin=call.origin, key=key)
    view = await in_thread(jobs.get_job, studio, call.actor, made.job.id, call.origin)
    return json_answer(job_json(view, call.language), 202 if made.created else 200)


async def get_jobs(studio: Studio, call: Call) -> Response:
    page = await in_thread(
        jobs.list_jobs,
        studio,
        call.actor,
        state=_state(call.query.get("state")),
        cursor=call.query.get("cursor"),
        limit=limit_of(call.query),
        origin=call.origin,
    )
    return json_answer(
        {"items": [job_json(each, call.language) for each in page.items], "next_cursor": page.next_cursor}
    )


async def get_job(studio: Studio, call: Call) -> Response:
    view = await in_thread(jobs.get_job, studio, call.actor, call.path("id"), call.origin)
    return json_answer(job_json(view, call.language))


async def delete_job(studio: Studio, call: Call) -> Response:
    await in_thread(cancel.cancel, studio, call.actor, call.path("id"), call.origin)
    view = await in_thread(jobs.get_job, studio, call.actor, call.path("id"), call.origin)
    return json_answer(job_json(view, call.language))


async def get_preview(studio: Studio, call: Call) -> Response:
    webp = await in_thread(preview, studio, call.actor, call.path("id"), call.origin)
    return Response(webp, media_type="image/webp")


async def get_events(studio: Studio, call: Call) -> Response:
    since, wait = call.query.get("since"), whole_number(call.query, "wait", DEFAULT_WAIT)
    if wait > MAX_WAIT:
        raise InvalidRequestError([FieldError("wait", "field.range", {"min": 0, "max": MAX_WAIT})])
    deadline = anyio.current_time() + wait
    noted = studio.progress.noted_at(call.actor.user_id)
    news = jobs.unchanged(studio, call.actor, since)
    if news is None or wait == 0:
        news = await in_thread(jobs.changes, studio, call.actor, since, call.origin)
    while news.known and not news.jobs and (left := deadline - anyio.current_time()) > 0:
        await studio.progress.wait(call.actor.user_id, news.version, left)
        # The page asks for its quota and the state of the service when a poll ends without a job.
        if studio.progress.closed or studio.progress.noted_at(call.actor.user_id) != noted:
            break
        later = await in_thread(jobs.changes_later, studio, call.actor, since)
        if later is None:
            break
        news = later
    rev = news.rev if news.jobs or since is None or not news.known else since
    return json_answer({"rev": rev, "jobs": [job_json(each, call.language) for each in news.jobs]})


async def get_images(studio: Studio, call: Call) -> Response:
    page = await in_thread(
        gallery.list_images,
        studio,
        call.actor,
        cursor=call.query.get("cursor"),
        limit=limit_of(call.query),
        origin=call.origin,
    )
    return json_answer({"items": [image_json(each) for each in page.items], "next_cursor": page.next_cursor})


async def get_image(studio: Studio, call: Call) -> Response:
    return json_answer(image_json(await in_thread(gallery.get_image, studio, call.actor, call.path("id"), call.origin)))


async def delete_image(studio: Studio, call: Call) -> Response:
    await in_thread(gallery.delete_image, studio, call.actor, call.path("id"), call.origin)
    return Response(status_code=204)


async def not_yet(_studio: Studio, _call: Call) -> Response:
    """Comes with the studio; until then it is not there, and no method of `/images/{id}` is meant."""
    raise NotFoundError


def _state(text: str | None) -> JobState | None:
    if text is None:
        return None
    if text not in {state.value for state in JobState}:
        raise InvalidRequestError([FieldError("state", "field.state", {"states": ", ".join(JobState)})])
    return JobState(text)
