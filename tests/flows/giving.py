"""Clicks that are made or given, and what came of them."""

from PIL import Image

from app.domain.jobs import Job, JobState, Picture
from app.domain.people import Principal
from app.flows.gallery import original_file
from tests.houses import ORIGIN, Building

SEED = 7


def asked(building: Building) -> int:
    """How many pictures the engine was asked for."""
    return sum(len(request.pictures) for request in building.engine.requests)


def pictures(building: Building, actor: Principal, job: Job) -> tuple[Picture, ...]:
    return building.view(actor, job).pictures


def pixels(building: Building, actor: Principal, job: Job) -> list[bytes]:
    found = []
    for picture in pictures(building, actor, job):
        with Image.open(original_file(building.studio, actor, picture.id, ORIGIN).path) as image:
            found.append(image.tobytes())
    return found


def made(building: Building, actor: Principal, **fields: object) -> Job:
    """A job that had its turn."""
    job = building.click(actor, **{"seed": SEED, **fields})
    building.work()
    return job


def is_given(building: Building, actor: Principal, **fields: object) -> bool:
    """Whether such a click has its pictures without a turn; else it gets them at its turn."""
    job = building.click(actor, **{"seed": SEED, **fields})
    building.recall()
    ended = building.view(actor, job).job.state is JobState.SUCCEEDED
    building.work()
    assert building.view(actor, job).job.state is JobState.SUCCEEDED
    return ended
