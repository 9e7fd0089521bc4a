"""Proof that ledger, day rows, jobs, picture rows and files agree; also while the server makes pictures."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from app.domain.errors import NotFoundError, Params
from app.domain.jobs import Job
from app.flows.pictures import recipe_of
from app.flows.studio import Studio
from app.quota.ledger import first_of_month
from app.store.checks import Checks, MonthSum, PictureFile, Place, WrongDay, WrongJob
from app.store.transaction import Transaction

PATIENCE: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`kind` names the text `difference.<kind>` in the catalogue; `subject` is a day, job, picture or path."""

    kind: str
    subject: str
    params: Params


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the database says at one moment."""

    differences: tuple[Difference, ...]
    files: tuple[PictureFile, ...]
    unfinished: tuple[Job, ...]


def find_differences(studio: Studio, *, patience: float = PATIENCE) -> tuple[Difference, ...]:
    """Everything that two looks, `patience` seconds apart, both find wrong; empty when all agrees.

    Files and rows cannot be read at one moment: a picture that is just being kept or thrown away looks wrong once.
    """
    if not (first := _look(studio)):
        return ()
    threading.Event().wait(patience)
    known = {(difference.kind, difference.subject) for difference in first}
    return tuple(difference for difference in _look(studio) if (difference.kind, difference.subject) in known)


def _look(studio: Studio) -> tuple[Difference, ...]:
    # The files before the rows: whatever lies there now was begun by a job that the rows will know.
    on_disk = studio.vault.paths()
    rows = studio.store.snapshot(_read)
    return (*rows.differences, *_wrong_files(studio, rows.files), *_unknown_files(studio, rows, on_disk))


def _read(tx: Transaction) -> _Rows:
    return _Rows(tuple(_wrong_rows(tx.checks)), tx.checks.files(), tx.jobs.unfinished())


def _wrong_rows(checks: Checks) -> Iterator[Difference]:
    for day in checks.wrong_days():
        yield from _wrong_day(day)
    yield from _wrong_months(checks.months(), checks.months_by_ledger())
    for job in checks.wrong_jobs():
        yield from _wrong_job(job)
    for kind, places in (
        ("charge-without-picture", checks.charges_without_picture()),
        ("picture-without-charge", checks.pictures_without_charge()),
        ("wrong-charge", checks.wrong_charges()),
        ("strayed-entry", checks.strayed_entries()),
        ("strayed-picture", checks.strayed_pictures()),
    ):
        for place in places:
            yield _at(kind, place)


def _wrong_day(day: WrongDay) -> Iterator[Difference]:
    numbers: dict[str, int] = {"ledger_used": day.ledger_used, "ledger_reserved": day.ledger_reserved}
    subject = f"{day.username} {day.day.isoformat()}"
    if day.used is None or day.reserved is None or day.adjusted is None:
        yield Difference(kind="day-missing", subject=subject, params=numbers)
        return
    numbers |= {"used": day.used, "reserved": day.reserved}
    if (day.used, day.reserved) != (day.ledger_used, day.ledger_reserved):
        yield Difference(kind="day", subject=subject, params=numbers)
    if day.adjusted != day.ledger_adjusted:
        added = {"adjusted": day.adjusted, "ledger_adjusted": day.ledger_adjusted}
        yield Difference(kind="adjusted", subject=subject, params=added)


def _wrong_months(rows: tuple[MonthSum, ...], days: tuple[MonthSum, ...]) -> Iterator[Difference]:
    """Months of departments whose numbers are not the sums of their ledger entries."""
    used, reserved = Counter[tuple[str, date]](), Counter[tuple[str, date]]()
    for day in days:
        key = (day.department, first_of_month(day.month))
        used[key] += day.used
        reserved[key] += day.reserved
    known = {(row.department, row.month): row for row in rows}
    for department, month in sorted(known.keys() | used.keys()):
        row, key = known.get((department, month)), (department, month)
        found = (row.used, row.reserved) if row else (0, 0)
        if found != (used[key], reserved[key]):
            numbers = {"used": found[0], "reserved": found[1]}
            numbers |= {"ledger_used": used[key], "ledger_reserved": reserved[key]}
            yield Difference(kind="month", subject=f"{department} {month:%Y-%m}", params=numbers)


def _wrong_job(job: WrongJob) -> Iterator[Difference]:
    """One job may be wrong in several ways."""
    if job.reserved != job.cost:
        yield Difference(kind="reservation", subject=job.id, params={"reserved": job.reserved, "cost": job.cost})
    if job.held != job.expected:
        params: Params = {"state": job.state, "held": job.held, "expected": job.expected}
        yield Difference(kind="holding", subject=job.id, params=params)
    if job.state == "succeeded" and job.pictures != job.count:
        yield Difference(kind="incomplete", subject=job.id, params={"pictures": job.pictures, "count": job.count})


def _at(kind: str, place: Place) -> Difference:
    """A whole job's ledger entry has the number -1."""
    subject = place.job_id if place.index < 0 else f"{place.job_id}/{place.index}"
    return Difference(kind=kind, subject=subject, params={})


def _wrong_files(studio: Studio, files: tuple[PictureFile, ...]) -> Iterator[Difference]:
    for file in files:
        if file.deleted:
            continue
        try:
            size = studio.vault.size(file.path)
        except NotFoundError:  # a path that leaves the outputs directory
            size = None
        if size is None:
            yield Difference(kind="file-missing", subject=file.path, params={"id": file.id})
        elif size != file.size:
            yield Difference(kind="file-size", subject=file.path, params={"found": size, "size": file.size})


def _unknown_files(studio: Studio, rows: _Rows, on_disk: frozenset[str]) -> Iterator[Difference]:
    """Files without a row, but for those that an unfinished job writes a moment before their row."""
    coming = {
        studio.vault.path_of(recipe_of(studio, job, index)) for job in rows.unfinished for index in range(job.count)
    }
    for path in sorted(on_disk - coming - {file.path for file in rows.files}):
        yield Difference(kind="file-unknown", subject=path, params={})
