"""`python -m app queue …`: the queue of a running server, or of the next one."""

from typing import TYPE_CHECKING

from app.cli.console import Desk, group, refuse_for_now, table, verb
from app.cli.texts import text

if TYPE_CHECKING:
    from app.domain.jobs import Job
    from app.flows.queue_control import Steer

COLUMNS = ("id", "username", "state", "size", "steps", "count", "created_at")

queue = group("queue")
refuse_for_now(queue, "drain")


@verb(queue, "list")
def queue_list(desk: Desk) -> None:
    from app.flows.queue_control import view_queue
    from app.flows.studio import NOWHERE
    from app.flows.views import queue_json

    view = view_queue(desk.studio, desk.actor, NOWHERE)
    rows = [_row(desk, job) for job in view.jobs]
    paused = [text("said.queue-is-paused")] if view.paused else []
    heads = [text(f"head.{column}") for column in COLUMNS]
    desk.answer(queue_json(view, "en")["items"], *paused, *table(heads, rows))


@verb(queue, "pause")
def queue_pause(desk: Desk) -> None:
    from app.flows.queue_control import pause

    _steer(desk, pause, paused=True)


@verb(queue, "resume")
def queue_resume(desk: Desk) -> None:
    from app.flows.queue_control import resume

    _steer(desk, resume, paused=False)


def _row(desk: Desk, job: "Job") -> list[object]:
    state, size = text(f"state.{job.state}"), f"{job.width}x{job.height}"
    return [job.id, job.username, state, size, job.steps, job.count, desk.local(job.created_at)]


def _steer(desk: Desk, steer: "Steer", *, paused: bool) -> None:
    from app.flows.studio import NOWHERE

    steer(desk.studio, desk.actor, NOWHERE)
    desk.answer({"paused": paused}, text("said.queue-paused" if paused else "said.queue-resumed"))
