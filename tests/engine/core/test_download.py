"""Downloads that succeed, fail, are interrupted and go on."""

import errno
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from app.engine.core.download import download
from app.engine.core.failures import LoadError, NotOnHubError
from app.engine.core.folder import is_complete
from app.engine.core.hubs import PART, HubFile, HuggingFace, Listing, hub_named
from app.engine.core.origin import ORIGIN, changed_files, read_origin, sha256_of
from tests.engine.core.files import detail_of
from tests.engine.hub_server import COMMIT, HubServer, hub_server

REPO = "acme/Z-Image-Tiny"


class FakeHub:
    """Holds the demo model. Raises `trouble` instead of the file number `after`."""

    name = "huggingface"

    def __init__(self, demo: Path) -> None:
        self.files = {path.relative_to(demo).as_posix(): path for path in demo.rglob("*") if path.is_file()}
        self.extra = {"assets/picture.png": 99, "transformer/model.bin": 99, "evil.py": 9, "vae/../x.json": 1}
        self.trouble: BaseException | None = None
        self.after = 0
        self.fetched: list[str] = []

    def listing(self, repo: str) -> Listing:
        assert repo == REPO
        if self.trouble is not None and self.after == 0:
            raise self.trouble
        files = {name: HubFile(path.stat().st_size) for name, path in self.files.items()}
        return Listing("c0ffee", {**files, **{name: HubFile(size) for name, size in self.extra.items()}})

    def fetch(self, repo: str, listing: Listing, names: Sequence[str], folder: Path) -> None:
        assert (repo, listing.revision) == (REPO, "c0ffee")
        for number, name in enumerate(names):
            if self.trouble is not None and number == self.after:
                (folder / "half.incomplete").write_bytes(b"half")
                raise self.trouble
            if not (folder / name).exists():
                (folder / name).parent.mkdir(exist_ok=True)
                shutil.copy(self.files[name], folder / name)
                self.fetched.append(name)


@pytest.fixture
def hub(demo: Path) -> FakeHub:
    return FakeHub(demo)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "Z-Image-Tiny"


def failure_of(hub: FakeHub, target: Path) -> LoadError:
    with pytest.raises(LoadError) as failure:
        download(hub, REPO, target, lambda _: None)
    return failure.value


def test_a_download_brings_what_a_pipeline_needs_and_nothing_else(hub: FakeHub, target: Path) -> None:
    told: list[float] = []
    download(hub, REPO, target, told.append)
    assert is_complete(target)
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert found == set(hub.files) - {"README.md"} | {ORIGIN}
    origin = json.loads((target / ORIGIN).read_text())
    assert (origin["source"], origin["repo"], origin["revision"]) == ("huggingface", REPO, "c0ffee")
    assert origin["checksums"] == {name: sha256_of(target / name) for name in found - {ORIGIN}}
    assert told
    assert all(0 <= fraction <= 1 for fraction in told)
    download(hub, REPO, target, told.append)
    assert len(hub.fetched) == len(set(hub.fetched))


def test_an_interrupted_download_never_looks_complete_and_goes_on_where_it_was(hub: FakeHub, target: Path) -> None:
    hub.trouble, hub.after = KeyboardInterrupt(), 4
    with pytest.raises(KeyboardInterrupt):
        download(hub, REPO, target, lambda _: None)
    assert not target.exists()
    hub.trouble = None
    download(hub, REPO, target, lambda _: None)
    assert is_complete(target)
    assert len(hub.fetched) == len(set(hub.fetched))
    assert not list(target.rglob("*.incomplete"))


@pytest.mark.parametrize("after", [0, 3])
def test_without_network_it_fails_and_may_be_tried_again(hub: FakeHub, target: Path, after: int) -> None:
    hub.trouble, hub.after = ConnectionError("no route"), after
    failure = failure_of(hub, target)
    assert (failure.reason, failure.retry) == ("engine.network", True)
    assert failure.params == {"source": "huggingface", "detail": "ConnectionError"}
    assert not target.exists()


def test_a_disk_that_fills_up_is_named_however_the_library_wraps_it(hub: FakeHub, target: Path) -> None:
    hub.trouble, hub.after = RuntimeError("download failed"), 3
    hub.trouble.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    failure = failure_of(hub, target)
    assert (failure.reason, failure.retry) == ("engine.disk-full", True)


def test_a_disk_that_is_too_small_is_found_before_anything_is_fetched(hub: FakeHub, target: Path) -> None:
    hub.files["transformer/more.safetensors"] = hub.files["model_index.json"]
    hub.extra = {"transformer/huge.safetensors": 10**18}
    failure = failure_of(hub, target)
    assert (failure.reason, failure.params["needed"]) == ("engine.disk-full", 10**9)
    assert not hub.fetched


def test_a_folder_that_cannot_be_written_is_named(hub: FakeHub, target: Path) -> None:
    hub.trouble, hub.after = PermissionError(errno.EACCES, "denied"), 2
    failure = failure_of(hub, target)
    assert (failure.reason, failure.retry) == ("engine.not-writable", False)


def test_an_unknown_repository_is_not_tried_again(hub: FakeHub, target: Path) -> None:
    hub.trouble = NotOnHubError(REPO)
    failure = failure_of(hub, target)
    assert (failure.reason, failure.retry) == ("engine.not-on-hub", False)
    assert failure.params == {"model": REPO, "source": "huggingface"}


def test_a_repository_without_a_pipeline_is_broken(hub: FakeHub, target: Path) -> None:
    del hub.files["model_index.json"]
    assert failure_of(hub, target).reason == "engine.broken-model"


def test_a_file_that_was_cut_off_is_fetched_again(hub: FakeHub, target: Path) -> None:
    cut = target.with_name("Z-Image-Tiny.partial") / "vae" / "config.json"
    cut.parent.mkdir(parents=True)
    cut.write_text("{")
    download(hub, REPO, target, lambda _: None)
    assert "vae/config.json" in hub.fetched


def test_whole_files_of_an_incomplete_folder_are_kept(hub: FakeHub, target: Path, demo: Path) -> None:
    shutil.copytree(demo, target)
    (target / "vae" / "config.json").unlink()
    download(hub, REPO, target, lambda _: None)
    assert is_complete(target)
    assert hub.fetched == ["vae/config.json"]


def test_two_incomplete_folders_are_left_to_a_person(hub: FakeHub, target: Path) -> None:
    target.mkdir(parents=True)
    target.with_name("Z-Image-Tiny.partial").mkdir()
    failure = failure_of(hub, target)
    assert detail_of(failure.params) == "it is not complete, nor is Z-Image-Tiny.partial"


WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def server(demo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A real hub for the real library."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    # It writes pieces of 10 MB, as long as the largest file of the demo model.
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    with hub_server(demo, REPO) as served:
        yield served


def test_a_download_that_breaks_off_goes_on_within_the_file(server: HubServer, target: Path) -> None:
    server.breaks[WEIGHTS] = 1_000_000
    hub = HuggingFace(server.address)
    with pytest.raises(LoadError) as failure:
        download(hub, REPO, target, lambda _: None)
    assert (failure.value.reason, failure.value.retry) == ("engine.network", True)
    part = target.with_name("Z-Image-Tiny.partial") / (WEIGHTS + PART)
    assert part.stat().st_size == 1_000_000
    server.away = False
    before = len(server.asked)
    download(hub, REPO, target, lambda _: None)
    assert is_complete(target)
    assert server.ranges == {WEIGHTS: "bytes=1000000-"}
    # The files that came before it in the list were whole, and are not asked for again.
    assert not any("model_index.json" in path for path in server.asked[before:])
    assert not list(target.rglob(f"*{PART}"))
    origin = read_origin(target)
    assert origin is not None
    assert (origin.revision, origin.repo) == (COMMIT, REPO)
    assert list(changed_files(target, origin.checksums)) == []


@pytest.mark.parametrize("name", [WEIGHTS, "vae/config.json"])
def test_a_file_that_comes_wrong_is_fetched_once_more(server: HubServer, target: Path, name: str) -> None:
    server.spoilt[name] = 1
    download(HuggingFace(server.address), REPO, target, lambda _: None)
    assert (target / name).read_bytes() == server.files[name]


@pytest.mark.parametrize("name", [WEIGHTS, "vae/config.json"])
def test_a_file_that_stays_wrong_is_removed_and_named(server: HubServer, target: Path, name: str) -> None:
    server.spoilt[name] = 9
    with pytest.raises(LoadError) as failure:
        download(HuggingFace(server.address), REPO, target, lambda _: None)
    assert (failure.value.reason, failure.value.retry) == ("engine.wrong-file", False)
    assert failure.value.params == {"file": name, "source": "huggingface"}
    assert not target.exists()
    assert not (target.with_name("Z-Image-Tiny.partial") / name).exists()


def test_a_part_of_another_file_is_found_out(server: HubServer, target: Path) -> None:
    part = target.with_name("Z-Image-Tiny.partial") / (WEIGHTS + PART)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of another revision")
    download(HuggingFace(server.address), REPO, target, lambda _: None)
    assert (target / WEIGHTS).read_bytes() == server.files[WEIGHTS]


def test_what_has_changed_since_the_download_is_named(server: HubServer, target: Path) -> None:
    download(HuggingFace(server.address), REPO, target, lambda _: None)
    (target / "vae" / "config.json").unlink()
    content = bytearray((target / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (target / WEIGHTS).write_bytes(content)
    origin = read_origin(target)
    assert origin is not None
    assert sorted(changed_files(target, origin.checksums)) == [WEIGHTS, "vae/config.json"]
    for spoilt in ("[]", "{", '{"checksums": 3}', '{"checksums": [1]}'):
        (target / ORIGIN).write_text(spoilt)
        assert read_origin(target) is None


def test_modelscope_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "modelscope_hub.api", None)
    with pytest.raises(LoadError) as failure:
        hub_named("modelscope")
    assert failure.value.reason == "engine.modelscope-missing"
    assert isinstance(hub_named("huggingface"), HuggingFace)
