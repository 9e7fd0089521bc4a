"""`python -m app doctor`: is this machine fit to serve? Looks only, changes nothing."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from app.cli.console import REFUSED, Desk
from app.cli.texts import text

if TYPE_CHECKING:
    from app.settings import Settings

GIB: Final = 1024**3
LEAST_FREE: Final = 1 * GIB
TORCH_SECONDS: Final = 120
# In a process of its own: torch takes seconds and hundreds of megabytes, and may even crash.
ASK_TORCH: Final = """
import json, torch
names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
print(json.dumps({"version": torch.__version__, "devices": names}))
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and whether Atelier can work with it."""

    check: str
    ok: bool
    detail: str


def doctor(desk: Desk) -> None:
    found = list(_findings(desk))
    words = {True: text("word.ok"), False: text("word.broken")}
    lines = [f"[{words[each.ok]}] {text(f'doctor.{each.check}')}: {each.detail}" for each in found]
    desk.answer([asdict(each) for each in found], *lines)
    if not all(each.ok for each in found):
        raise typer.Exit(REFUSED)


def _findings(desk: Desk) -> Iterator[Finding]:
    settings = desk.settings
    yield Finding("python", sys.version_info >= (3, 11), platform.python_version())
    yield _good("settings", _sources(settings))
    yield _good("timezone", settings.zone.key)
    for folder in (settings.data_dir, settings.outputs_dir, settings.models_dir):
        yield _folder(folder)
    for folder in dict.fromkeys((_standing(settings.data_dir), _standing(settings.outputs_dir))):
        yield _space(folder)
    yield _database(desk)
    yield _webp()
    torch, has_cuda = _torch(settings)
    yield torch
    yield _model(settings, has_cuda=has_cuda)


def _good(check: str, detail: str) -> Finding:
    return Finding(check, ok=True, detail=detail)


def _bad(check: str, detail: str) -> Finding:
    return Finding(check, ok=False, detail=detail)


def _sources(settings: "Settings") -> str:
    """Names only: values may be secrets."""
    from app.settings import DEFAULT_FILE, ENV_PREFIX

    file = settings.config or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    names = sorted(name for name in os.environ if name.startswith(ENV_PREFIX))
    none = text("word.none")
    return text("doctor.sources", file=str(file or none), variables=", ".join(names) or none)


def _folder(folder: Path) -> Finding:
    standing = _standing(folder)
    usable = standing.is_dir() and os.access(standing, os.W_OK | os.X_OK)
    if not usable:
        return _bad("folder", text("doctor.not-writable", folder=str(folder)))
    return _good("folder", str(folder) if folder.exists() else text("doctor.will-be-made", what=str(folder)))


def _standing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    path = path.absolute()
    return next((each for each in (path, *path.parents) if each.exists()), path)


def _space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    return Finding("space", free >= LEAST_FREE, text("doctor.free", free=f"{free / GIB:.1f}", folder=str(folder)))


def _database(desk: Desk) -> Finding:
    from app.bootstrap import DatabaseUnreachableError, SchemaError, check_schema, is_unused

    file = desk.settings.data_dir / "atelier.db"
    if not desk.settings.database_url and not file.exists():
        return _good("database", text("doctor.will-be-made", what=str(file)))
    try:
        if is_unused(desk.house):
            return _good("database", text("doctor.unused"))
        check_schema(desk.house)
    except DatabaseUnreachableError as error:
        return _bad("database", text("refused.unreachable", reason=str(error)))
    except SchemaError as error:
        return _bad("database", text("doctor.schema", differences="; ".join(error.differences)))
    return _good("database", text("doctor.current"))


def _webp() -> Finding:
    try:
        import PIL
        from PIL import features
    except ImportError as error:
        return _bad("images", str(error))
    if not features.check("webp"):
        return _bad("images", text("doctor.no-webp", version=PIL.__version__))
    return _good("images", f"Pillow {PIL.__version__}, WebP")


def _torch(settings: "Settings") -> tuple[Finding, bool]:
    """Also whether CUDA can be used."""
    try:
        asked = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", ASK_TORCH], capture_output=True, text=True, timeout=TORCH_SECONDS, check=True
        )
        answer = json.loads(asked.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        last = (getattr(error, "stderr", "") or type(error).__name__).strip().splitlines()[-1]
        return _bad("torch", last), False
    devices: list[str] = answer["devices"]
    shown = ", ".join(devices) or text("doctor.no-cuda")
    detail = text("doctor.torch-is", version=answer["version"], devices=shown)
    kind, _, number = settings.device.partition(":")
    enough = kind != "cuda" or len(devices) > int(number or 0)
    return Finding("torch", enough, detail), bool(devices) and kind != "cpu"


def _model(settings: "Settings", *, has_cuda: bool) -> Finding:
    from app.bootstrap import LoadError, find_model

    try:
        found = find_model(settings, cuda=has_cuda)
    except LoadError as error:
        return _bad("model", text(f"doctor.{error.reason}", **error.params))
    if found.repo is not None:
        return _good("model", text("doctor.to-download", repo=found.repo, folder=str(found.folder)))
    return _good("model", f"{found.name} ({found.folder})")
