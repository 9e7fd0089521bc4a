"""What must be true after a siege: nothing accepted is lost, nothing ends, is made or is charged twice."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Select, func, select

from app.domain.jobs import MAX_LOSSES, UNFINISHED, JobState
from app.flows.check import find_differences
from app.flows.run import ENGINE_LOST
from app.flows.studio import Studio
from app.store.connect import open_engine, sqlite_url
from app.store.tables import audit_events, idempotency_keys, images, jobs, quota_days, quota_entries
from scripts.benches.besiegers import Besieger

ENDED: Final = "job:end"


@dataclass(slots=True)
class Verdict:
    """`wrong` says what is not as it must be; `counts` what there was."""

    wrong: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """The rows that were left, and the files: by job, all but the last five and `keys`."""

    states: dict[str, str]
    keys: dict[str, str]
    attempts: dict[str, int]
    failures: dict[str, str]
    pictures: Counter[str]
    charges: Counter[str]
    ends: Counter[str]
    used: int
    reserved: int
    files: int
    parts: int
    strays: int


def judge(studio: Studio, folder: Path, people: Sequence[Besieger]) -> Verdict:
    """After the last server has ended."""
    found = _find(folder)
    wrong = [f"{each.kind}: {each.subject}: {dict(each.params)}" for each in find_differences(studio)]
    wrong += [*_wrong_jobs(found), *_wrong_clicks(found, people), *_wrong_sums(found)]
    wrong += [odd for person in people for odd in person.odd]
    wrong += _errors_logged(folder)
    states, clicks = Counter(found.states.values()), [click for person in people for click in person.clicks]
    return Verdict(
        wrong,
        {
            "clicks": len(clicks),
            "requests": sum(click.times for click in clicks),
            "jobs": len(found.states),
            **{state.value: states[state.value] for state in JobState if state not in UNFINISHED},
            "begun_again": sum(attempt > 1 for attempt in found.attempts.values()),
            "pictures": found.pictures.total(),
            "set_aside": found.strays,
        },
    )


def _find(folder: Path) -> Found:
    database = open_engine(sqlite_url(folder / "data/atelier.db"))
    with database.connect() as connection:

        def pairs(query: Select[Any]) -> dict[str, Any]:
            return {key: value for key, value in connection.execute(query)}  # noqa: C416 - rows

        def count(query: Select[Any]) -> Counter[str]:
            return Counter(connection.scalars(query))

        totals = select(
            func.coalesce(func.sum(quota_days.c.used), 0), func.coalesce(func.sum(quota_days.c.reserved), 0)
        )
        used, reserved = connection.execute(totals).one()
        outputs = [path for path in (folder / "outputs").rglob("*") if path.is_file()]
        found = Found(
            states=pairs(select(jobs.c.id, jobs.c.state)),
            keys=pairs(select(idempotency_keys.c.key, idempotency_keys.c.job_id)),
            attempts=pairs(select(jobs.c.id, jobs.c.attempt)),
            failures=pairs(select(jobs.c.id, jobs.c.error_code).where(jobs.c.state == JobState.FAILED.value)),
            pictures=count(select(images.c.job_id)),
            charges=count(select(quota_entries.c.job_id).where(quota_entries.c.kind == "commit")),
            ends=count(select(audit_events.c.subject).where(audit_events.c.action == ENDED)),
            used=used,
            reserved=reserved,
            files=len(outputs),
            parts=len([*folder.rglob("*.part")]),
            strays=len([path for path in (folder / "data/strays").rglob("*") if path.is_file()]),
        )
    database.dispose()
    return found


def _wrong_jobs(found: Found) -> Iterator[str]:
    """A job may fail when the server was killed under it too often, and for no other reason."""
    for job_id, code in found.failures.items():
        if code != ENGINE_LOST or found.attempts[job_id] < MAX_LOSSES:
            yield f"{job_id} failed by {code} in attempt {found.attempts[job_id]}"
    for job_id, state in found.states.items():
        if state in {each.value for each in UNFINISHED}:
            yield f"{job_id} is still {state}"
        if found.ends[job_id] != 1:
            yield f"{job_id} has ended {found.ends[job_id]} times"
        if found.charges[job_id] != found.pictures[job_id]:
            yield f"{job_id} has {found.pictures[job_id]} pictures and was charged {found.charges[job_id]}"


def _wrong_clicks(found: Found, people: Sequence[Besieger]) -> Iterator[str]:
    """A key stands for one job, whatever was answered in between; every click had a key."""
    if Counter(found.keys.values()) != Counter(dict.fromkeys(found.states, 1)):
        yield f"{len(found.keys)} keys stand for {len(found.states)} jobs"
    for click in (click for person in people for click in person.clicks):
        if not click.jobs <= {found.keys.get(click.key)}:
            yield f"{click.key} was answered with {sorted(click.jobs)} and stands for {found.keys.get(click.key)}"
        if click.accepted > 1:
            yield f"{click.key} was accepted {click.accepted} times"
        if lost := [job_id for job_id in click.jobs if job_id not in found.states]:
            yield f"{lost} was accepted and is not there"
        if click.cancelled and (other := {found.states.get(job_id) for job_id in click.jobs} - {"cancelled"}):
            yield f"{sorted(click.jobs)} was cancelled and is {other}"


def _wrong_sums(found: Found) -> Iterator[str]:
    sums = {
        "used": found.used,
        "charges": found.charges.total(),
        "pictures": found.pictures.total(),
        "files": found.files,
    }
    if len(set(sums.values())) > 1:
        yield f"not all the same: {sums}"
    if found.reserved:
        yield f"{found.reserved} are still reserved"
    if found.parts:
        yield f"{found.parts} files are half written"


def _errors_logged(folder: Path) -> list[str]:
    lines = (folder / "server.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if " ERROR " in line or "Traceback" in line or " CRITICAL " in line]
