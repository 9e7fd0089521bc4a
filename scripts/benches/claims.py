"""What claiming the next job costs when very many wait."""

import random
import statistics
import time
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, insert, update

from app.domain.jobs import JobState
from app.flows import ending, run
from app.flows.studio import Studio
from app.store.connect import open_engine
from app.store.tables import jobs, users
from scripts.benches.databases import fresh_database
from scripts.benches.figures import spread_ms
from scripts.benches.house import rooms
from scripts.benches.instant import InstantEngine
from scripts.benches.rows import AT_ONCE, TURN, job_row, person_row, settle_in

GOAL_MS: Final = 5.0
PEOPLE: Final = 2000
# How those who wait stand to each other in virtual time.
LINES: Final = ("spread", "equal_jobs", "all_tie")
FEW: Final = 40


def measure_claims(kind: str, rows: int, claims: int) -> dict[str, Any]:
    """For each of LINES; `all_tie`, of which a few tell enough, cannot happen: one person's jobs follow each other."""
    with fresh_database(kind) as url, rooms(url, InstantEngine()) as house:
        database = open_engine(url)
        people = max(1, min(PEOPLE, rows // 2))
        with database.begin() as connection:
            _add_rows(connection, people, rows)
        found = {}
        for line in LINES:
            with database.begin() as connection:
                _arrange(connection, line, people)
            settle_in(database, "jobs")
            wanted = min(claims, FEW) if line == "all_tie" else claims
            found[line] = _spread(list(_claims(house.studio, wanted)))
        database.dispose()
    return found


def _spread(taken: list[tuple[float, float]]) -> dict[str, float]:
    """With the time of our own processor, which a busy machine hardly changes."""
    own = statistics.median(own for _, own in taken)
    return spread_ms([whole for whole, _ in taken]) | {"own_cpu_ms": round(1000 * own, 2)}


def _claims(studio: Studio, count: int) -> Iterator[tuple[float, float]]:
    """The first only warms up. Each job has ended before the next is claimed, as on one machine."""
    for number in range(count + 1):
        began, own = time.perf_counter(), time.thread_time()
        job = run.claim(studio)
        taken = (time.perf_counter() - began, time.thread_time() - own)
        if job is None:
            return
        if number:
            yield taken
        studio.progress.forget(job.id, job.user_id)
        ending.end(studio, job, JobState.SUCCEEDED)


def _add_rows(connection: Connection, people: int, rows: int) -> None:
    chance = random.Random(rows)  # noqa: S311 - the same rows again
    first = 1000
    connection.execute(insert(users), [person_row(first + number) for number in range(people)])
    for begin in range(0, rows, AT_ONCE):
        numbers = range(begin, min(rows, begin + AT_ONCE))
        connection.execute(insert(jobs), [_job(number, first + number % people, chance) for number in numbers])


def _arrange(connection: Connection, line: str, people: int) -> None:
    """The rows were added round by round: everybody's first job, everybody's second."""
    if line == "equal_jobs":
        # Everybody clicked while one job was under way, and all jobs are of one size.
        turn = (jobs.c.seq - 1) // people * TURN
        connection.execute(update(jobs).values(vstart=turn, vfinish=turn + TURN))
    elif line == "all_tie":
        connection.execute(update(jobs).values(vstart=0, vfinish=TURN))


def _job(number: int, user_id: int, chance: random.Random) -> dict[str, Any]:
    return job_row(f"{number:016x}", user_id, number * TURN // PEOPLE + chance.randrange(TURN))
