"""The two hubs that models come from, behind one small interface. Each library is imported when it is needed."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from app.engine.core.failures import LoadError, NotOnHubError

LISTING_TIMEOUT: Final = 20.0


@dataclass(frozen=True, slots=True)
class Listing:
    """What a repository holds: its commit, and the size of each file in bytes."""

    revision: str
    sizes: Mapping[str, int]


class Hub(Protocol):
    """Any exception but NotOnHubError means that the hub could not be reached or the disk could not be written."""

    name: str

    def listing(self, repo: str) -> Listing: ...

    def fetch(self, repo: str, revision: str, names: Sequence[str], folder: Path) -> None:
        """Bring these files into the folder. Whole files that are already there are not fetched again."""


class HuggingFace:
    """huggingface.co, or the mirror that HF_ENDPOINT names."""

    name = "huggingface"

    def listing(self, repo: str) -> Listing:
        from huggingface_hub import HfApi  # noqa: PLC0415 - only a download needs it
        from huggingface_hub.errors import RepositoryNotFoundError  # noqa: PLC0415

        try:
            info = HfApi().model_info(repo, files_metadata=True, timeout=LISTING_TIMEOUT)
        except RepositoryNotFoundError as error:  # gated ones too
            raise NotOnHubError(repo) from error
        return Listing(info.sha or "main", {file.rfilename: file.size or 0 for file in info.siblings or ()})

    def fetch(self, repo: str, revision: str, names: Sequence[str], folder: Path) -> None:
        from huggingface_hub import snapshot_download  # noqa: PLC0415
        from huggingface_hub.errors import RepositoryNotFoundError  # noqa: PLC0415

        try:
            # One file after the other: an interruption costs one file (parts of files are not kept), and Xet
            # transfers the pieces of a file in parallel anyway.
            snapshot_download(repo, revision=revision, local_dir=folder, allow_patterns=list(names), max_workers=1)
        except RepositoryNotFoundError as error:
            raise NotOnHubError(repo) from error


class ModelScope:
    """modelscope.cn."""

    name = "modelscope"

    def __init__(self) -> None:
        try:
            self._hub = importlib.import_module("modelscope_hub.compat")
            self._errors = importlib.import_module("modelscope_hub.errors")
        except ImportError as error:
            raise LoadError("engine.modelscope-missing") from error

    def listing(self, repo: str) -> Listing:
        try:
            files = self._hub.LegacyHubApi().get_model_files(repo, recursive=True)
        except self._refusals as error:
            raise NotOnHubError(repo) from error
        return Listing("master", {str(file["Path"]): int(file["Size"] or 0) for file in files})

    def fetch(self, repo: str, revision: str, names: Sequence[str], folder: Path) -> None:
        try:
            self._hub.snapshot_download(
                repo, revision=revision, local_dir=str(folder), allow_patterns=list(names), max_workers=1
            )
        except self._refusals as error:
            raise NotOnHubError(repo) from error

    @property
    def _refusals(self) -> tuple[type[Exception], ...]:
        return (self._errors.NotExistError, self._errors.AuthenticationError, self._errors.PermissionDeniedError)


def hub_named(source: str) -> Hub:
    """The hub of `--model-source`. Raises LoadError `engine.modelscope-missing`."""
    return ModelScope() if source == "modelscope" else HuggingFace()
