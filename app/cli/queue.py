"""`python -m app queue …`: the queue of a running server, or of the next one."""

from typing import TYPE_CHECKING

from app.cli.console import Desk, group, table, verb
from app.cli.texts import text

if TYPE_CHECKING:
    from app.flows.jobs import JobView
    from app.flows.queue_control import Steer

COLUMNS = ("position", "id", "username", "state", "size", "steps", "count", "created_at")

queue = group("queue")


@verb(queue, "list")
def queue_list(desk: Desk) -> None:
    from app.flows.queue_control import view_queue
    from app.flows.studio import NOWHERE
    from app.flows.views import queue_json

    view = view_queue(desk.studio, desk.actor, NOWHERE)
    rows = [_row(desk, each) for each in view.jobs]
    paused = [text("said.queue-is-draining" if view.draining else "said.queue-is-paused")] if view.paused else []
    heads = [text(f"head.{column}") for column in COLUMNS]
    desk.answer(queue_json(view, "en")["items"], *paused, *table(heads, rows))


@verb(queue, "pause")
def queue_pause(desk: Desk) -> None:
    from app.flows.queue_control import pause

    _steer(desk, pause, "paused")


@verb(queue, "resume")
def queue_resume(desk: Desk) -> None:
    from app.flows.queue_control import resume

    _steer(desk, resume, "resumed")


@verb(queue, "drain")
def queue_drain(desk: Desk) -> None:
    """Before a stop or an update: accept nothing, start nothing, and let what runs finish."""
    from app.flows.queue_control import drain

    _steer(desk, drain, "draining")


def _row(desk: Desk, view: "JobView") -> list[object]:
    job = view.job
    state, size = text(f"state.{job.state}"), f"{job.width}x{job.height}"
    position = "" if view.position is None else view.position
    return [position, job.id, job.username, state, size, job.steps, job.count, desk.local(job.created_at)]


def _steer(desk: Desk, steer: "Steer", now: str) -> None:
    from app.flows.studio import NOWHERE

    steer(desk.studio, desk.actor, NOWHERE)
    answer = {"paused": now != "resumed", "draining": now == "draining"}
    desk.answer(answer, text(f"said.queue-{now}"))
