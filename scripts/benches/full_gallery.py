"""The first page of a gallery that is very full."""

import time
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, insert

from app.domain.people import Origin, Principal
from app.flows.gallery import list_images
from app.flows.studio import Studio
from app.store.connect import open_engine
from app.store.tables import images, jobs
from scripts.benches.figures import spread_ms
from scripts.benches.rows import AT_ONCE, BEGINNING, job_row, settle_in

LOOKS: Final = 50
PAGE: Final = 60
OF_A_JOB: Final = 4


def measure_gallery(studio: Studio, url: str, actor: Principal, pictures: int) -> dict[str, Any]:
    database = open_engine(url)
    with database.begin() as connection:
        _add_pictures(connection, actor.user_id, pictures)
    settle_in(database, "images", "jobs")
    database.dispose()
    return spread_ms(list(_look(studio, actor)))


def _look(studio: Studio, actor: Principal) -> Iterator[float]:
    for _ in range(LOOKS):
        began = time.perf_counter()
        list_images(studio, actor, cursor=None, limit=PAGE, origin=Origin())
        yield time.perf_counter() - began


def _add_pictures(connection: Connection, user_id: int, pictures: int) -> None:
    for begin in range(0, pictures, AT_ONCE):
        numbers = range(begin, min(pictures, begin + AT_ONCE))
        first, last = numbers[0] // OF_A_JOB, numbers[-1] // OF_A_JOB
        ended = {"state": "succeeded", "count": OF_A_JOB, "ended_at": BEGINNING}
        connection.execute(
            insert(jobs), [job_row(f"9{number:015x}", user_id, 0) | ended for number in range(first, last + 1)]
        )
        connection.execute(insert(images), [_picture(number, user_id) for number in numbers])


def _picture(number: int, user_id: int) -> dict[str, Any]:
    return {
        "id": f"9{number:015x}",
        "job_id": f"9{number // OF_A_JOB:015x}",
        "user_id": user_id,
        "picture_index": number % OF_A_JOB,
        "seed": number,
        "width": 1024,
        "height": 1024,
        "path": f"member0/2026-01-01/000000_{number}_9{number:015x}.png",
        "sha256": f"{number:064x}",
        "size": 1_500_000,
        "seconds": 5.0,
        "favourite": False,
        "created_at": BEGINNING,
    }
