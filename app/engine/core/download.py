"""A model from a hub into its folder: all of it or none, and every byte as the hub has it.

Files gather in `<folder>.partial`, which is renamed when everything is there and its checksums are right. An
interrupted download therefore never looks complete, and the next one goes on where it ended, also within a file.
"""

import errno
import logging
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock

from app.engine.core.failures import LoadError, NotOnHubError
from app.engine.core.folder import check_folder, is_complete
from app.engine.core.hubs import Hub, HubFile, Listing
from app.engine.core.origin import Origin, git_id_of, sha256_of

log = logging.getLogger(__name__)

# What a pipeline consists of; no pictures, no other weight formats, nothing that could be code.
NEEDED: Final = re.compile(
    r"model_index\.json|(scheduler|text_encoder|tokenizer|transformer|vae)/[^/]+\.(json|safetensors|txt|jinja)"
)
DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
NOT_WRITABLE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
RESERVE: Final = 1_000_000_000
PROGRESS_EVERY: Final = 0.5
# A file that came wrong is fetched once more.
ROUNDS: Final = 2


def download(hub: Hub, repo: str, folder: Path, report: Callable[[float], None]) -> None:
    """Make `folder` hold the whole pipeline; `report` gets the fraction of bytes that are here, from another thread.

    Raises LoadError: `engine.network` and `engine.disk-full` (to be tried again), `engine.not-on-hub`,
    `engine.not-writable`, `engine.wrong-file` when what comes is not what the hub lists, `engine.broken-model` when
    the repository is no Z-Image pipeline.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    needed = 0
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if is_complete(folder):  # another process was faster
                return
            listing = hub.listing(repo)
            wanted = _needed(repo, listing)
            total = sum(file.size for file in wanted.values())
            _prepare(folder, partial)
            needed = total - _bytes_in(partial)
            _require_space(partial, needed)
            with _reporting(partial, total, report):
                checksums = _fetch(hub, repo, listing, wanted, partial)
            _finish(partial, folder, Origin(hub.name, repo, listing.revision, checksums))
    except LoadError:
        raise
    except NotOnHubError as error:
        raise LoadError("engine.not-on-hub", model=repo, source=hub.name) from error
    except Exception as error:
        raise _explained(error, hub, folder, needed) from error


def _needed(repo: str, listing: Listing) -> dict[str, HubFile]:
    """The files to fetch."""
    wanted = {name: file for name, file in sorted(listing.files.items()) if NEEDED.fullmatch(name)}
    if "model_index.json" not in wanted:
        raise LoadError("engine.broken-model", folder=repo, detail="engine.broken.missing", file="model_index.json")
    return wanted


def _fetch(hub: Hub, repo: str, listing: Listing, wanted: dict[str, HubFile], partial: Path) -> dict[str, str]:
    """All files as the hub lists them; their SHA-256. What is not as it should be is removed and fetched once more."""
    checksums: dict[str, str] = {}
    wrong = wanted.keys() - checksums.keys()
    for _ in range(ROUNDS):
        hub.fetch(repo, listing, list(wanted), partial)
        for name, file in wanted.items():
            if name in checksums:
                continue
            if (checksum := _right_checksum(partial / name, file)) is not None:
                checksums[name] = checksum
            else:
                log.warning("%s is not what %s lists: removed", name, hub.name)
                (partial / name).unlink()
        wrong = wanted.keys() - checksums.keys()
        if not wrong:
            return checksums
    raise LoadError("engine.wrong-file", file=min(wrong), source=hub.name)


def _right_checksum(path: Path, file: HubFile) -> str | None:
    """The file's SHA-256, None if it is not the one that the hub lists."""
    if file.size and path.stat().st_size != file.size:
        return None
    sha256 = sha256_of(path)
    # Only small files have no other name than git's.
    right = sha256 == file.sha256 if file.sha256 else not file.git_id or git_id_of(path) == file.git_id
    return sha256 if right else None


def _prepare(folder: Path, partial: Path) -> None:
    """Take up what an earlier attempt left."""
    if folder.exists():
        if partial.exists():
            detail, file = "engine.broken.partial", partial.name
            raise LoadError("engine.broken-model", folder=str(folder), detail=detail, file=file)
        # Begun by hand with another tool, or damaged: its whole files count.
        log.warning("%s is not complete: downloading what is missing", folder)
        folder.rename(partial)
    partial.mkdir(exist_ok=True)


def _require_space(partial: Path, needed: int) -> None:
    free = shutil.disk_usage(partial).free
    if needed > 0 and free < needed + RESERVE:
        raise _disk_full(partial, needed, free)


def _finish(partial: Path, folder: Path, origin: Origin) -> None:
    check_folder(partial)
    origin.write(partial)
    # What the hubs' libraries, or other tools before us, have left beside the files.
    shutil.rmtree(partial / ".cache", ignore_errors=True)
    for leftover in partial.rglob("*.incomplete*"):
        leftover.unlink(missing_ok=True)
    partial.rename(folder)


@contextmanager
def _reporting(partial: Path, total: int, report: Callable[[float], None]) -> Iterator[None]:
    """Watch the folder grow: the same for every hub library, and parts of files count too."""
    done = threading.Event()

    def watch() -> None:
        while True:
            report(min(1.0, _bytes_in(partial) / max(1, total)))
            if done.wait(PROGRESS_EVERY):
                return

    watcher = threading.Thread(target=watch, name="download-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _bytes_in(folder: Path) -> int:
    """Bytes that are really written; a file may have its full length beforehand."""
    total = 0
    for path in folder.rglob("*"):
        try:
            found = path.stat()
        except FileNotFoundError:  # renamed under our eyes
            continue
        total += min(found.st_size, found.st_blocks * 512) if path.is_file() else 0
    return total


def _explained(error: Exception, hub: Hub, folder: Path, needed: int) -> LoadError:
    """What went wrong, in words for the administrator: libraries wrap the system's errors in their own."""
    log.warning("The download failed: %s: %s", type(error).__name__, error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in DISK_FULL:
            return _disk_full(folder.parent, needed, shutil.disk_usage(folder.parent).free)
        if isinstance(cause, OSError) and cause.errno in NOT_WRITABLE:
            return LoadError("engine.not-writable", folder=str(folder.parent))
        cause = cause.__cause__ or cause.__context__
    return LoadError("engine.network", retry=True, source=hub.name, detail=type(error).__name__)


def _disk_full(folder: Path, needed: int, free: int) -> LoadError:
    return LoadError(
        "engine.disk-full",
        retry=True,
        folder=str(folder),
        needed=round(needed / 1e9, 1),
        free=round(free / 1e9, 1),
    )
