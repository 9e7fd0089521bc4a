"""Finished pictures on the disk and in Redis: found again bit by bit or not at all, and never too many."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest
import redis

from app.domain.errors import UnavailableError
from app.domain.results import Result
from app.storage.redis_results import RedisResults
from app.storage.results import KeptResults

MOST = 10_000
HOUR = timedelta(hours=1)


def result(size: int = 1000, picture_id: str = "0123456789abcdef", user_id: int = 1) -> Result:
    return Result(
        png=secrets.token_bytes(size),
        thumbnail=b"small",
        facts={"model": "fake"},
        picture_id=picture_id,
        user_id=user_id,
    )


def opened(folder: Path, most: int = MOST, shared: RedisResults | None = None) -> KeptResults:
    return KeptResults(folder / "results", folder / "results-key", most, shared)


def files(folder: Path) -> list[Path]:
    return sorted((folder / "results").iterdir())


def test_what_was_kept_is_found_again_also_after_a_restart(tmp_path: Path) -> None:
    kept = result()
    opened(tmp_path).keep(b"recipe", kept)
    again = opened(tmp_path)
    assert again.find(b"recipe") == kept
    assert again.find(b"another") is None
    assert (again.status().entries, again.status().bytes) == (1, files(tmp_path)[0].stat().st_size)


def test_the_files_are_for_the_servers_own_user_and_their_names_tell_nothing(tmp_path: Path) -> None:
    opened(tmp_path).keep(b"a red circle", result())
    (tmp_path / "other").mkdir()
    opened(tmp_path / "other").keep(b"a red circle", result())
    for each in (*files(tmp_path), tmp_path / "results-key"):
        assert each.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "results").stat().st_mode & 0o777 == 0o700
    assert files(tmp_path)[0].name != files(tmp_path / "other")[0].name


@pytest.mark.parametrize("place", [0, 70, -1])
def test_one_wrong_bit_and_the_picture_is_not_given(tmp_path: Path, place: int) -> None:
    kept = opened(tmp_path)
    kept.keep(b"recipe", result())
    file = files(tmp_path)[0]
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    assert kept.find(b"recipe") is None
    assert files(tmp_path) == []


def test_what_a_power_cut_left_of_a_file_is_nothing(tmp_path: Path) -> None:
    opened(tmp_path).keep(b"recipe", result())
    file = files(tmp_path)[0]
    file.write_bytes(file.read_bytes()[:500])
    (tmp_path / "results" / "empty").touch()
    (tmp_path / "results" / ("0" * 64)).touch()
    again = opened(tmp_path)
    assert again.find(b"recipe") is None
    assert files(tmp_path) == []


def test_a_file_under_the_name_of_another_is_not_given(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    kept.keep(b"mine", result())
    mine = files(tmp_path)[0]
    kept.keep(b"yours", result())
    (yours,) = (file for file in files(tmp_path) if file != mine)
    yours.replace(mine)
    assert kept.find(b"mine") is None


def test_whatever_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    kept = opened(tmp_path, 5000)
    results = {name: result() for name in (b"1", b"2", b"3", b"4")}
    for name, each in results.items():
        kept.keep(name, each)
        os.utime(files(tmp_path)[0])
    kept.find(b"1")
    kept.keep(b"5", result())
    assert [kept.find(name) is not None for name in (b"1", b"2", b"3", b"5")] == [True, False, True, True]
    assert kept.status().bytes <= 5000
    kept.keep(b"large", result(6000))
    assert kept.find(b"large") is None
    assert kept.find(b"5") is not None


def test_with_less_room_than_before_the_rest_goes_when_the_owner_of_the_queue_says_so(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    for number in range(5):
        kept.keep(str(number).encode(), result())
        for age, file in enumerate(files(tmp_path)):
            os.utime(file, (age, age))
    for most, entries in ((3000, 2), (0, 0)):
        other = opened(tmp_path, most)
        before = len(files(tmp_path))
        assert other.status().entries == before  # whoever only looks removes nothing, whatever its settings are
        other.sweep(HOUR)
        assert other.status().entries == len(files(tmp_path)) == entries


def test_what_another_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    opened(tmp_path).keep(b"recipe", result())
    parts = [tmp_path / "results" / name for name in (".a.part", ".b.part")]
    for part in parts:
        part.write_bytes(b"half")
    os.utime(parts[0], (1, 1))
    kept = opened(tmp_path)
    assert kept.status().entries == 1
    kept.sweep(HOUR)
    assert [part.exists() for part in parts] == [False, True]


def test_what_a_killed_server_was_writing_goes_when_nobody_else_can_be(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    kept.keep(b"recipe", result())
    part = tmp_path / "results" / ".a.part"
    part.write_bytes(b"half")
    kept.sweep(timedelta())
    assert not part.exists()
    assert kept.find(b"recipe") is not None


def test_nothing_is_kept_or_found_when_it_is_off(tmp_path: Path) -> None:
    off = opened(tmp_path, 0)
    off.keep(b"recipe", result())
    assert (off.is_on, off.find(b"recipe")) == (False, None)
    assert list(tmp_path.iterdir()) == []


def test_pictures_and_people_are_forgotten(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    for number, (picture_id, user_id) in enumerate([("a", 1), ("b", 1), ("c", 2), ("c", 2)]):
        kept.keep(str(number).encode(), result(picture_id=picture_id, user_id=user_id))
    kept.forget_picture("c")
    assert kept.picture_ids() == {"a", "b"}
    kept.forget_person(1)
    assert (kept.status().entries, kept.status().bytes, files(tmp_path)) == (0, 0, [])


def test_another_process_may_clear_it(tmp_path: Path) -> None:
    server = opened(tmp_path)
    server.keep(b"recipe", result())
    opened(tmp_path).clear()
    assert server.find(b"recipe") is None
    assert server.status().bytes == 0
    server.keep(b"recipe", result())
    assert server.find(b"recipe") is not None


def test_a_full_disk_keeps_nothing_and_disturbs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = opened(tmp_path)
    kept.keep(b"old", result())

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", full)
        kept.keep(b"new", result())
    assert kept.find(b"old") is not None
    assert len(files(tmp_path)) == 1


def test_a_disk_that_cannot_be_read_is_an_empty_cache(tmp_path: Path) -> None:
    (tmp_path / "results").write_bytes(b"a file where the folder should be")
    kept = opened(tmp_path)
    kept.keep(b"recipe", result())
    assert kept.find(b"recipe") is None
    assert (kept.picture_ids(), kept.status().entries) == (frozenset(), 0)
    kept.forget_picture("0123456789abcdef")


def test_clearing_says_when_it_could_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = opened(tmp_path)
    kept.keep(b"recipe", result())

    def read_only(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.unlink", read_only)
    with pytest.raises(UnavailableError):
        kept.clear()


@pytest.fixture
def shared(redis_url: str) -> Iterator[RedisResults]:
    made = RedisResults(redis_url, f"test-{secrets.token_hex(4)}", most_bytes=5000)
    with closing(made):
        yield made
        made.clear()


def test_servers_that_share_a_redis_and_the_key_give_each_others_pictures(tmp_path: Path, shared: RedisResults) -> None:
    for name in ("one", "two", "stranger"):
        (tmp_path / name).mkdir()
    one, two = opened(tmp_path / "one", shared=shared), opened(tmp_path / "two", shared=shared)
    kept = result()
    one.keep(b"recipe", kept)
    (tmp_path / "two" / "results-key").write_bytes((tmp_path / "one" / "results-key").read_bytes())
    assert two.find(b"recipe") == kept
    assert two.picture_ids() == {kept.picture_id}
    assert opened(tmp_path / "stranger", shared=shared).find(b"recipe") is None
    two.forget_picture(kept.picture_id)
    assert two.find(b"recipe") is None
    one.keep(b"recipe", kept)
    two.clear()
    assert two.find(b"recipe") is None


def test_redis_keeps_no_more_than_it_may_and_the_least_used_goes(tmp_path: Path, shared: RedisResults) -> None:
    kept = opened(tmp_path, shared=shared)
    for number in range(4):
        kept.keep(str(number).encode(), result(picture_id=str(number)))
    kept.forget_person(7)
    (tmp_path / "results").rename(tmp_path / "away")
    assert kept.find(b"0") is not None
    kept.keep(b"4", result(picture_id="4"))
    assert {of.picture_id for of in shared.abouts()} == {"0", "2", "3", "4"}


def test_what_lies_in_redis_damaged_is_not_given(tmp_path: Path, shared: RedisResults, redis_url: str) -> None:
    kept = opened(tmp_path, shared=shared)
    kept.keep(b"recipe", result())
    (name,) = (file.name for file in files(tmp_path))
    (tmp_path / "results" / name).unlink()
    with closing(redis.Redis.from_url(redis_url)) as client:
        (key,) = client.keys(f"*:result:{name}")
        client.append(key, b"x")
    assert kept.find(b"recipe") is None
    assert shared.read(name) is None


def test_a_redis_that_is_away_leaves_the_disk(tmp_path: Path) -> None:
    with closing(RedisResults("redis://127.0.0.1:1", "test")) as away:
        kept = opened(tmp_path, shared=away)
        kept.keep(b"recipe", result())
        assert kept.find(b"recipe") is not None
        assert kept.find(b"another") is None
        with pytest.raises(UnavailableError):  # else it would give again what was to be forgotten
            kept.clear()
        assert kept.status().entries == 0
