"""Where a downloaded model came from, and the checksums that it had then: a file in its folder."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

ORIGIN: Final = ".atelier-origin.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """`checksums` is the SHA-256 of each file in hexadecimal, by its name inside the folder."""

    source: str
    repo: str
    revision: str
    checksums: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        (folder / ORIGIN).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def read_origin(folder: Path) -> Origin | None:
    """None for a folder that was not downloaded by us. A file that somebody has spoilt says nothing either."""
    try:
        found: dict[str, Any] = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        known = {str(name): str(value) for name, value in dict(found.get("checksums") or {}).items()}
        source, repo, revision = (str(found.get(name, "")) for name in ("source", "repo", "revision"))
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    return Origin(source, repo, revision, known)


def changed_files(folder: Path, checksums: Mapping[str, str]) -> Iterator[str]:
    """Names of files that are no longer what was downloaded, or gone. Reads all of them."""
    for name, checksum in checksums.items():
        path = folder / name
        if not path.is_file() or sha256_of(path) != checksum:
            yield name


def sha256_of(path: Path) -> str:
    """In hexadecimal; a gigabyte takes about a second."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_id_of(path: Path) -> str:
    """What git calls a blob with this content, in hexadecimal."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    digest.update(path.read_bytes())
    return digest.hexdigest()
