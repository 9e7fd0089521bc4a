"""The two hubs that models come from, behind one small interface. Each library is imported when it is needed."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from app.engine.core.failures import LoadError, NotOnHubError

LISTING_TIMEOUT: Final = 20.0
# What has come of a file, beside it: the next attempt goes on behind its end.
PART: Final = ".part"


@dataclass(frozen=True, slots=True)
class HubFile:
    """`size` in bytes, 0 if the hub does not tell; its SHA-256, or what git calls it, in hexadecimal, or neither."""

    size: int
    sha256: str = ""
    git_id: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a repository holds: its commit, and its files by name."""

    revision: str
    files: Mapping[str, HubFile]


class Hub(Protocol):
    """Any exception but NotOnHubError means that the hub could not be reached or the disk could not be written."""

    name: str

    def listing(self, repo: str) -> Listing: ...

    def fetch(self, repo: str, listing: Listing, names: Sequence[str], folder: Path) -> None:
        """Bring these files into the folder. Whole files that are already there are not fetched again, and what is
        there of others is kept and continued."""


class HuggingFace:
    """huggingface.co, or the mirror that `endpoint` or HF_ENDPOINT names."""

    name = "huggingface"

    def __init__(self, endpoint: str = "") -> None:
        self._endpoint = endpoint or None

    def listing(self, repo: str) -> Listing:
        from huggingface_hub import HfApi  # noqa: PLC0415 - only a download needs it
        from huggingface_hub.errors import RepositoryNotFoundError  # noqa: PLC0415

        try:
            info = HfApi(self._endpoint).model_info(repo, files_metadata=True, timeout=LISTING_TIMEOUT)
        except RepositoryNotFoundError as error:  # gated ones too
            raise NotOnHubError(repo) from error
        files = {
            each.rfilename: HubFile(each.size or 0, each.lfs.sha256 if each.lfs else "", each.blob_id or "")
            for each in info.siblings or ()
        }
        return Listing(info.sha or "main", files)

    def fetch(self, repo: str, listing: Listing, names: Sequence[str], folder: Path) -> None:
        from huggingface_hub.errors import RepositoryNotFoundError  # noqa: PLC0415

        try:
            for name in names:
                if not (folder / name).exists():
                    self._fetch_one(repo, listing, name, folder / name)
        except RepositoryNotFoundError as error:
            raise NotOnHubError(repo) from error

    def _fetch_one(self, repo: str, listing: Listing, name: str, target: Path) -> None:
        """Not `hf_hub_download`: since 2.0 that throws away what it has of a file when it is interrupted."""
        from huggingface_hub import hf_hub_url  # noqa: PLC0415
        from huggingface_hub.file_download import http_get  # noqa: PLC0415
        from huggingface_hub.utils._headers import build_hf_headers  # noqa: PLC0415

        size = listing.files[name].size
        part = target.with_name(target.name + PART)
        part.parent.mkdir(parents=True, exist_ok=True)
        if part.exists() and part.stat().st_size > size:
            part.unlink()
        url = hf_hub_url(repo, name, revision=listing.revision, endpoint=self._endpoint)
        # Compressed, a part would say nothing about where to go on.
        headers = build_hf_headers(headers={"Accept-Encoding": "identity"})
        with part.open("ab") as file:
            http_get(url, file, resume_size=file.tell(), headers=headers, expected_size=size or None)
        part.rename(target)


class ModelScope:
    """modelscope.cn, or the mirror that `endpoint` or MODELSCOPE_ENDPOINT names. Its library continues parts itself."""

    name = "modelscope"

    def __init__(self, endpoint: str = "") -> None:
        self._endpoint = endpoint or None
        try:
            self._api = importlib.import_module("modelscope_hub.api")
            self._compat = importlib.import_module("modelscope_hub.compat")
            self._errors = importlib.import_module("modelscope_hub.errors")
        except ImportError as error:
            raise LoadError("engine.modelscope-missing") from error

    def listing(self, repo: str) -> Listing:
        try:
            found = self._api.HubApi(endpoint=self._endpoint).list_repo_files(repo, "model", recursive=True)
        except self._refusals as error:
            raise NotOnHubError(repo) from error
        return Listing("master", {file.path: HubFile(int(file.size or 0), file.sha256 or "") for file in found})

    def fetch(self, repo: str, listing: Listing, names: Sequence[str], folder: Path) -> None:
        try:
            self._compat.snapshot_download(
                repo,
                revision=listing.revision,
                local_dir=str(folder),
                allow_patterns=list(names),
                max_workers=1,
                endpoint=self._endpoint,
            )
        except self._refusals as error:
            raise NotOnHubError(repo) from error

    @property
    def _refusals(self) -> tuple[type[Exception], ...]:
        return (self._errors.NotExistError, self._errors.AuthenticationError, self._errors.PermissionDeniedError)


def hub_named(source: str, endpoint: str = "") -> Hub:
    """The hub of `--model-source`, at the address of `--hub-endpoint`. Raises LoadError `engine.modelscope-missing`."""
    return ModelScope(endpoint) if source == "modelscope" else HuggingFace(endpoint)
