"""At the start: files and rows of the last days are made to agree, and days begin when the time zone says."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from app.audit.events import ImageLost
from app.domain.errors import NotFoundError
from app.domain.jobs import Picture, picture_id
from app.flows.results import forget_what_is_gone
from app.flows.studio import Studio
from app.quota.ledger import day_on
from app.store.transaction import Transaction

log = logging.getLogger(__name__)

# A crash leaves something behind in what was made last; `python -m app db check` looks at everything.
DAYS: Final = 2
PICTURES: Final = 500
# More than one in so many are not lost: the disk is away, or another one is in its place.
TOO_MANY: Final = 10
# Another server may be writing; nothing takes that long.
LONGEST_WRITE: Final = timedelta(hours=1)


def reconcile(studio: Studio) -> None:
    """Half-written files go, files that no row knows are set aside, pictures whose file is gone leave the gallery, and
    nothing that is gone is given again."""
    for kept in (studio.vault, studio.results):
        kept.sweep(timedelta() if studio.alone else LONGEST_WRITE)
    studio.store.write(lambda tx: _set_bounds_of_days(studio, tx))
    _set_aside_unknown_files(studio)
    _note_lost_pictures(studio)
    forget_what_is_gone(studio)


def _set_bounds_of_days(studio: Studio, tx: Transaction) -> None:
    """After the time zone was changed the rows of today and tomorrow must not overlap."""
    for date in tx.quota.recent_days(studio.clock.now() - timedelta(days=DAYS)):
        day = day_on(date, studio.zone)
        tx.quota.set_bounds(day.date, day.starts_at, day.ends_at)


def _set_aside_unknown_files(studio: Studio) -> None:
    """Not removed: if the database was restored from a backup, somebody's pictures are among them."""
    today = studio.today().date
    files = studio.vault.of_days([today - timedelta(days=back) for back in range(DAYS)])

    def unknown(tx: Transaction) -> set[str]:
        coming = {picture_id(job.id, index) for job in tx.jobs.unfinished() for index in range(job.count)}
        return files.keys() - coming - tx.images.known(files.keys())

    strays = studio.store.read(unknown) if files else set()
    for image_id in strays:
        studio.vault.set_aside(files[image_id])
    if strays:
        log.warning("%d pictures on the disk are not in the database; they were set aside", len(strays))


def _note_lost_pictures(studio: Studio) -> None:
    newest = studio.store.read(lambda tx: tx.images.newest(PICTURES))
    lost = list(_without_file(studio, newest))
    if len(lost) > max(1, len(newest) // TOO_MANY):
        log.error("%d of the last %d pictures are not on the disk: is it the right one?", len(lost), len(newest))
        return
    for picture in lost:
        studio.store.write(lambda tx, lost=picture: _leave_gallery(studio, tx, lost))  # type: ignore[misc]
    if lost:
        log.warning("%d pictures are gone from the disk and left the gallery", len(lost))


def _without_file(studio: Studio, pictures: tuple[Picture, ...]) -> Iterator[Picture]:
    for picture in pictures:
        try:
            if studio.vault.size(picture.path) is None:
                yield picture
        except NotFoundError:  # a path that leaves the outputs directory
            yield picture


def _leave_gallery(studio: Studio, tx: Transaction, picture: Picture) -> None:
    if tx.images.delete(picture.id, studio.clock.now()):
        studio.record(tx, ImageLost(subject=picture.id), None)
