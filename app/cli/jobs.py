"""`python -m app job …`: anybody's jobs."""

from typing import Annotated

import typer

from app.cli.console import Desk, group, verb
from app.cli.texts import language, text

jobs = group("job")


@verb(jobs, "cancel")
def job_cancel(desk: Desk, job_id: Annotated[str, typer.Argument(metavar="ID", help=text("option.id"))]) -> None:
    from app.flows.cancel import cancel
    from app.flows.jobs import get_job
    from app.flows.studio import NOWHERE
    from app.flows.views import job_json

    studio, actor = desk.studio, desk.actor
    cancel(studio, actor, job_id, NOWHERE)
    view = get_job(studio, actor, job_id, NOWHERE)
    desk.answer(job_json(view, language()), text("said.job-cancelled", id=job_id))
