"""A secret in a file of the server's own, for names that tell nothing and seals that nobody can forge."""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.domain.results import Result

LENGTH: Final = 32
HEADER_MOST: Final = 4096
_SEAL_LENGTH: Final = hashlib.sha256().digest_size * 2


@dataclass(frozen=True, slots=True)
class About:
    """What can be told of a packed result without its pixels: whose copy it is, and who owns that picture."""

    picture_id: str
    user_id: int


class Seal:
    """Names and seals by HMAC-SHA256. The secret is made when it is first needed. Thread-safe; raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._secret = b""

    def name(self, recipe: bytes) -> str:
        """64 hex digits. Without the secret nobody can find out a prompt by trying."""
        return hmac.new(self._get(), b"name\n" + recipe, hashlib.sha256).hexdigest()

    def pack(self, name: str, result: Result) -> bytes:
        """A line with the seal, a line about it, the PNG, its thumbnail."""
        about = {"picture": result.picture_id, "person": result.user_id, "facts": dict(result.facts)}
        body = json.dumps(about | {"png": len(result.png)}).encode() + b"\n" + result.png + result.thumbnail
        return self._of(name, body).encode() + b"\n" + body

    def unpack(self, name: str, packed: bytes) -> Result | None:
        """None unless every bit is as `pack` made it, for that name."""
        seal, body = packed[:_SEAL_LENGTH], packed[_SEAL_LENGTH + 1 :]
        if not hmac.compare_digest(seal, self._of(name, body).encode()):
            return None
        line, _, content = body.partition(b"\n")
        about = json.loads(line)
        return Result(
            png=content[: about["png"]],
            thumbnail=content[about["png"] :],
            facts=about["facts"],
            picture_id=about["picture"],
            user_id=about["person"],
        )

    def _of(self, name: str, body: bytes) -> str:
        digest = hmac.new(self._get(), b"seal\n" + name.encode() + b"\n", hashlib.sha256)
        digest.update(body)
        return digest.hexdigest()

    def _get(self) -> bytes:
        with self._lock:
            if not self._secret:
                self._secret = _read_or_make(self._path)
            return self._secret


def about(beginning: bytes) -> About | None:
    """What the first HEADER_MOST bytes of a packed result say; None if that makes no sense."""
    try:
        told = json.loads(beginning[_SEAL_LENGTH + 1 :].partition(b"\n")[0])
        return About(str(told["picture"]), int(told["person"]))
    except (ValueError, TypeError, KeyError):
        return None


def _read_or_make(path: Path) -> bytes:
    """Of two processes that begin at once, both read what one of them made."""
    if not path.exists():
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(LENGTH))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
        finally:
            part.unlink()
    return path.read_bytes()
