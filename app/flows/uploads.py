"""Pictures that somebody brings along to begin with: taken in, named by jobs, thrown away after a day."""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, Final

from app.audit.events import UploadDeleted, UploadKept
from app.auth.policy import Permission
from app.domain.editing import is_upload_id
from app.domain.errors import (
    ConflictError,
    FieldError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from app.domain.people import Origin, Principal
from app.domain.ports import PictureNotKeptError
from app.domain.uploads import KEPT, MAX_PIXELS, MOST, MOST_BYTES, TYPES, UnreadablePictureError
from app.flows.identify import require_standing
from app.flows.studio import Studio
from app.store.transaction import Transaction

A_MINUTE: Final = 30
# A click takes no upload that is so old, and nothing younger is swept: the two never meet.
GRACE: Final = timedelta(hours=1)
LONGEST_WRITE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Sides in pixels, upright."""

    id: str
    width: int
    height: int
    expires_at: datetime


def begin_upload(studio: Studio, actor: Principal, content_type: str, origin: Origin) -> BinaryIO:
    """Where the bytes may go, before any of them is read.

    Raises NotPermittedError, UnsupportedMediaTypeError, RateLimitedError or ConflictError.
    """
    studio.permit(actor, Permission.JOB_CREATE, origin)
    if content_type.partition(";")[0].strip().lower() not in TYPES:
        raise UnsupportedMediaTypeError("error.picture-types")
    try:
        studio.rates.spend("uploads-of", str(actor.user_id), A_MINUTE)
    except RateLimitedError as error:
        studio.refused(actor, error, Permission.JOB_CREATE.value, origin)
        raise
    _require_room(studio, actor)
    return studio.uploads.incoming()


def keep_upload(studio: Studio, actor: Principal, content: BinaryIO, origin: Origin) -> Upload:
    """File first, then the trail: a crash between leaves a file that its owner never heard of, swept after a day.

    Raises InvalidRequestError, ConflictError, UnavailableError, or NotAuthenticatedError for whoever was signed out
    meanwhile.
    """
    upload_id, now, size = f"u{secrets.token_hex(8)[1:]}", studio.clock.now(), content.tell()
    try:
        width, height = studio.uploads.keep(actor.user_id, upload_id, content, now)
    except UnreadablePictureError as error:
        key = "field.too-many-pixels" if error.too_large else "field.not-a-picture"
        raise InvalidRequestError([FieldError("body", key, {"max": MAX_PIXELS // 10**6})]) from None
    except PictureNotKeptError:
        raise UnavailableError from None

    def note(tx: Transaction) -> None:
        require_standing(studio, tx, actor)
        _require_room(studio, actor, beside=upload_id)  # of many at once, who all found room before
        studio.record(tx, UploadKept(subject=upload_id, size=size), actor, origin)

    try:
        studio.store.write(note)
    except BaseException:
        studio.uploads.discard(actor.user_id, upload_id)
        raise
    return Upload(id=upload_id, width=width, height=height, expires_at=now + KEPT)


def _require_room(studio: Studio, actor: Principal, beside: str = "") -> None:
    """What no click takes any more does not count."""
    now = studio.clock.now()
    kept = [each for each in studio.uploads.of_user(actor.user_id) if each.id != beside and now - each.used_at < KEPT]
    if len(kept) >= MOST or sum(each.size for each in kept) >= MOST_BYTES:
        raise ConflictError("error.too-many-uploads", most=MOST, megabytes=MOST_BYTES // 10**6)


def list_uploads(studio: Studio, actor: Principal, origin: Origin) -> tuple[Upload, ...]:
    """The actor's own that a job may still name, what was sent or named last first."""
    studio.permit(actor, Permission.JOB_CREATE, origin)
    now, found = studio.clock.now(), []
    for kept in sorted(studio.uploads.of_user(actor.user_id), key=lambda each: each.used_at, reverse=True):
        if now - kept.used_at < KEPT:
            with suppress(NotFoundError):  # thrown away this very moment, or damaged
                width, height = studio.uploads.sides(actor.user_id, kept.id)
                found.append(Upload(id=kept.id, width=width, height=height, expires_at=kept.used_at + KEPT))
    return tuple(found)


def delete_upload(studio: Studio, actor: Principal, upload_id: str, origin: Origin) -> None:
    """Raises NotFoundError, or ConflictError while an unfinished job begins with it."""
    studio.permit(actor, Permission.JOB_CREATE, origin, upload_id[:16])
    if upload_id not in {each.id for each in studio.uploads.of_user(actor.user_id)}:
        raise NotFoundError

    def work(tx: Transaction) -> None:
        tx.users.get(actor.user_id, lock=True)  # nobody's click names it meanwhile
        if upload_id in tx.jobs.begins_with(actor.user_id):
            raise ConflictError("error.upload-in-use")
        studio.uploads.discard(actor.user_id, upload_id)
        studio.record(tx, UploadDeleted(subject=upload_id), actor, origin)

    studio.store.write(work)


def use_source(studio: Studio, tx: Transaction, actor: Principal, source_id: str) -> bool:
    """Whether it is an upload or a picture of the actor's, whose account is locked; an upload is kept from now on."""
    if is_upload_id(source_id):
        return studio.uploads.use(actor.user_id, source_id, studio.clock.now())
    picture = tx.images.get(source_id)
    return picture is not None and picture.user_id == actor.user_id and studio.vault.size(picture.path) is not None


def read_source(studio: Studio, user_id: int, source_id: str) -> bytes:
    """The file. Raises NotFoundError when it has gone, or into the bin."""
    if is_upload_id(source_id):
        return studio.uploads.read(user_id, source_id)
    picture = studio.store.read(lambda tx: tx.images.get(source_id))
    if picture is None or picture.user_id != user_id:
        raise NotFoundError
    return studio.vault.original(picture.path).read_bytes()


def sweep_uploads(studio: Studio) -> None:
    """What nobody has named for a day and no unfinished job begins with; and what a crash left half-written."""
    studio.uploads.sweep(LONGEST_WRITE)
    now = studio.clock.now()
    for user_id, kept in studio.uploads.of_all().items():
        old = [each.id for each in kept if now - each.used_at >= KEPT + GRACE]
        if not old:
            continue
        needed = studio.store.read(lambda tx, user=user_id: tx.jobs.begins_with(user))  # type: ignore[misc]
        for upload_id in set(old) - needed:
            studio.uploads.discard(user_id, upload_id)
