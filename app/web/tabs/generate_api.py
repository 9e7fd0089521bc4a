"""The endpoint `/generate` for gradio_client: the same flow as the button, then waiting for the pictures."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import gradio as gr
from gradio.events import api

from app.auth.policy import Permission
from app.domain.errors import NotAuthenticatedError, StudioError
from app.domain.jobs import UNFINISHED, JobState
from app.domain.people import Origin, Principal
from app.flows.identify import still_stands
from app.flows.jobs import JobView, get_job
from app.flows.studio import Studio
from app.flows.submit import submit
from app.messages import translate
from app.web.forms import request_body
from app.web.handlers import click_of, plain, unexpected
from app.web.identity import clicker
from app.web.threads import in_thread

SLICE_SECONDS: Final = 20.0
MOST_SLICES: Final = 90  # half an hour without news; the job goes on without its caller
# Each waiting caller holds one of Gradio's slots; the rest stay free for the page.
AT_ONCE: Final = 192


def build(studio: Studio) -> None:
    api(_endpoint(studio), api_name="generate", api_visibility="public", concurrency_limit=AT_ONCE)


def _endpoint(studio: Studio) -> Callable[..., Awaitable[list[str]]]:
    async def generate(  # noqa: PLR0913, PLR0917 - CONTRACT §7
        request: gr.Request,
        prompt: str,
        width: float = 1024,
        height: float = 1024,
        steps: float = 8,
        seed: float | None = None,
        count: float = 1,
    ) -> list[str]:
        """Make pictures and wait for them: the absolute address of each."""
        visitor = clicker(request)
        values: dict[str, Any] = {"prompt": prompt, "width": width, "height": height}
        values |= {"steps": steps, "seed": seed, "count": count}
        try:
            click = click_of(visitor)
            if not await in_thread(still_stands, studio, click.actor):
                raise NotAuthenticatedError  # noqa: TRY301 - said like every other refusal
            made = await in_thread(submit, studio, click.actor, request_body(values), origin=click.origin)
            view = await _ended(studio, click.actor, made.job.id, click.origin)
        except StudioError as error:
            raise plain(visitor.language, error) from None
        except Exception as error:  # noqa: BLE001 - the last border; no text of it may leave
            raise unexpected(visitor.language, "generate", error) from None
        if view.job.state is not JobState.SUCCEEDED:
            raise gr.Error(_why_not(visitor.language, view), print_exception=False)
        base = str(request.request.base_url) if request.request else "/"
        return [f"{base}outputs/{picture.id}" for picture in view.pictures]

    generate.permission = Permission.JOB_CREATE  # type: ignore[attr-defined]  # a test asks every handler of the page
    return generate


async def _ended(studio: Studio, actor: Principal, job_id: str, origin: Origin) -> JobView:
    """The job once it has ended, or as it is when nothing happens any more."""
    slices = 0
    while True:
        version = studio.progress.version(actor.user_id)
        view = await in_thread(get_job, studio, actor, job_id, origin)
        if view.job.state not in UNFINISHED or studio.progress.closed or slices > MOST_SLICES:
            return view
        # Every step of the job wakes us: only a whole slice without news counts.
        if not await in_thread(still_stands, studio, actor):
            raise NotAuthenticatedError
        slices += not await studio.progress.wait(actor.user_id, version, SLICE_SECONDS)


def _why_not(language: str, view: JobView) -> str:
    if view.job.error_code:
        return translate(language, f"job.{view.job.error_code}")
    return translate(language, f"ui.api.{view.job.state.value}")
