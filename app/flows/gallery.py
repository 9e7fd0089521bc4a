"""Pictures: one's own list, one picture, its bytes, and the bin."""

from dataclasses import dataclass
from pathlib import Path

from app.audit.events import ImageDeleted
from app.auth.policy import Permission
from app.domain.errors import NotFoundError
from app.domain.jobs import Picture, is_id
from app.domain.people import Origin, Principal
from app.flows.jobs import require_limit
from app.flows.studio import Studio
from app.store.rows import Page
from app.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file to send; `name` is what a person who downloads it sees."""

    path: Path
    name: str
    etag: str


def list_images(studio: Studio, actor: Principal, *, cursor: str | None, limit: int, origin: Origin) -> Page[Picture]:
    """Own pictures, newest first."""
    studio.permit(actor, Permission.IMAGE_READ, origin)
    require_limit(limit)
    return studio.store.read(lambda tx: tx.images.list(actor.user_id, cursor, limit))


def get_image(studio: Studio, actor: Principal, image_id: str, origin: Origin) -> Picture:
    """Raises NotFoundError for a picture that is not there or that the actor may not see.

    A person whose role became a lesser one still sees the own pictures; a token sees what its scopes say.
    """
    if actor.scopes is not None:
        studio.permit(actor, Permission.IMAGE_READ, origin, image_id)
    picture = studio.store.read(lambda tx: tx.images.get(image_id)) if is_id(image_id) else None
    if picture is None:
        raise NotFoundError
    studio.permit_object(actor, picture.user_id, Permission.IMAGE_READ_ANY, origin, image_id)
    return picture


def original_file(studio: Studio, actor: Principal, image_id: str, origin: Origin) -> PictureFile:
    picture = get_image(studio, actor, image_id, origin)
    return PictureFile(studio.vault.original(picture.path), Path(picture.path).name, picture.sha256)


def thumbnail_file(studio: Studio, actor: Principal, image_id: str, origin: Origin) -> PictureFile:
    picture = get_image(studio, actor, image_id, origin)
    path = studio.vault.thumbnail(picture.path, picture.id)
    return PictureFile(path, f"{Path(picture.path).stem}.webp", f"{picture.sha256[:32]}-thumb")


def delete_image(studio: Studio, actor: Principal, image_id: str, origin: Origin) -> None:
    """Into the bin: from now on it is not found, nor given again. The file, the log row and the charge stay."""
    get_image(studio, actor, image_id, origin)
    studio.permit(actor, Permission.IMAGE_DELETE, origin, image_id)

    def work(tx: Transaction) -> None:
        if not tx.images.delete(image_id, studio.clock.now()):
            raise NotFoundError
        studio.record(tx, ImageDeleted(subject=image_id), actor, origin)

    studio.store.write(work)
    studio.results.forget_picture(image_id)
