"""Every way in which ledger, day rows, jobs, picture rows and files can disagree is found, and nothing else."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest
from sqlalchemy import text

from app.flows import run
from app.flows.cancel import cancel
from app.flows.check import find_differences
from app.flows.gallery import delete_image, list_images
from app.flows.pictures import recipe_of
from app.messages import LANGUAGES, translate
from tests.houses import ORIGIN, Building


@dataclass
class Scene:
    """Of mei: `made` succeeded with two pictures, `ended` was cancelled without any, `waiting` holds three."""

    building: Building
    made: str
    ended: str
    waiting: str

    def found(self) -> list[tuple[str, str]]:
        """Kind and subject of each difference; all of them can be told in every language."""
        differences = find_differences(self.building.studio, patience=0)
        assert all(
            translate(lang, f"difference.{each.kind}", **each.params) for each in differences for lang in LANGUAGES
        )
        return [(each.kind, each.subject) for each in differences]

    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.found()}

    def sql(self, *statements: str) -> None:
        with self.building.house.database.begin() as connection:
            for statement in statements:
                connection.execute(text(statement), {"made": self.made, "ended": self.ended, "waiting": self.waiting})

    @property
    def files(self) -> list[Path]:
        return sorted(self.building.outputs.rglob("*.png"))


@pytest.fixture
def scene(light: Building) -> Scene:
    return set_scene(light)


def set_scene(building: Building) -> Scene:
    mei = building.person("mei")
    building.person("other")
    made = building.click(mei, count=2)
    building.work()
    ended = building.click(mei, count=2)
    cancel(building.studio, mei, ended.id, ORIGIN)
    return Scene(building, made.id, ended.id, building.click(mei, count=3).id)


def test_what_atelier_wrote_agrees(scene: Scene) -> None:
    assert scene.found() == []


DAMAGE: Final = [
    ("UPDATE quota_days SET used = used + 1", {"day"}),
    ("UPDATE quota_days SET reserved = 0", {"day"}),
    ("DELETE FROM quota_days", {"day-missing"}),
    (
        "UPDATE quota_entries SET amount = 4 WHERE kind = 'reserve' AND job_id = :waiting",
        {"day", "reservation", "holding"},
    ),
    ("DELETE FROM quota_entries WHERE kind = 'reserve' AND job_id = :waiting", {"day", "reservation", "holding"}),
    ("DELETE FROM quota_entries WHERE kind = 'release'", {"day", "holding"}),
    ("UPDATE jobs SET state = 'cancelled' WHERE id = :waiting", {"holding"}),
    ("UPDATE jobs SET state = 'queued' WHERE id = :ended", {"holding"}),
    ("UPDATE jobs SET state = 'succeeded' WHERE id = :ended", {"incomplete"}),
    ("DELETE FROM images WHERE picture_index = 1", {"incomplete", "charge-without-picture", "file-unknown"}),
    (
        "DELETE FROM quota_entries WHERE kind = 'commit' AND picture_index = 1",
        {"day", "holding", "picture-without-charge"},
    ),
    (
        "UPDATE quota_entries SET amount = 2 WHERE kind = 'commit' AND picture_index = 1",
        {"day", "holding", "wrong-charge"},
    ),
    (
        "UPDATE quota_entries SET picture_index = 7 WHERE kind = 'commit' AND picture_index = 1",
        {"wrong-charge", "charge-without-picture", "picture-without-charge"},
    ),
    ("UPDATE quota_entries SET day = '2026-01-01' WHERE kind = 'release'", {"day", "day-missing", "strayed-entry"}),
    (
        "UPDATE images SET charged = false WHERE picture_index = 1",
        {"charge-without-picture", "picture-without-charge"},
    ),
    (
        "UPDATE quota_entries SET picture_index = 1, amount = 1 WHERE kind = 'release'",
        {"day", "holding", "charge-without-picture"},
    ),
    (
        "UPDATE images SET user_id = (SELECT id FROM users WHERE username = 'other') WHERE picture_index = 1",
        {"strayed-picture"},
    ),
    ("UPDATE images SET size = size + 1 WHERE picture_index = 1", {"file-size"}),
    ("UPDATE images SET path = '../../etc/passwd' WHERE picture_index = 1", {"file-missing", "file-unknown"}),
]


@pytest.mark.parametrize(("statement", "kinds"), DAMAGE)
def test_a_damaged_row_is_found(scene: Scene, statement: str, kinds: set[str]) -> None:
    scene.sql(statement)
    assert scene.kinds() == kinds


def test_every_kind_of_damage_is_found_on_every_database(building: Building) -> None:
    """All at once: what one statement does may hide what another did, but no kind stays out."""
    scene = set_scene(building)
    assert scene.found() == []
    scene.sql(
        "UPDATE quota_days SET used = used + 1",
        "UPDATE quota_entries SET day = '2026-01-01' WHERE kind = 'release'",
        "UPDATE quota_entries SET amount = 4 WHERE kind = 'reserve' AND job_id = :waiting",
        "UPDATE jobs SET state = 'succeeded' WHERE id = :ended",
        "UPDATE quota_entries SET picture_index = 7 WHERE kind = 'commit' AND picture_index = 1",
        "UPDATE images SET user_id = (SELECT id FROM users WHERE username = 'other') WHERE picture_index = 1",
        "UPDATE images SET size = size + 1 WHERE picture_index = 1",
        "UPDATE images SET path = '../../etc/passwd' WHERE picture_index = 0",
    )
    assert scene.kinds() == set().union(*(kinds for _, kinds in DAMAGE))


def test_a_damaged_day_is_named_with_both_numbers(scene: Scene) -> None:
    scene.sql("UPDATE quota_days SET used = used + 1")
    difference = find_differences(scene.building.studio, patience=0)[0]
    assert difference.subject == "mei 2026-11-23"
    assert difference.params == {"used": 3, "reserved": 3, "ledger_used": 2, "ledger_reserved": 3}


def test_a_missing_picture_is_named_by_its_job_and_number(scene: Scene) -> None:
    scene.sql("DELETE FROM images WHERE picture_index = 1")
    assert ("charge-without-picture", f"{scene.made}/1") in scene.found()
    assert ("incomplete", scene.made) in scene.found()


def _remove(file: Path) -> None:
    file.unlink()


def _lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def _copy(file: Path) -> None:
    file.with_name("120000_1_copy.png").write_bytes(file.read_bytes())


@pytest.mark.parametrize(
    ("damage", "kind"), [(_remove, "file-missing"), (_lengthen, "file-size"), (_copy, "file-unknown")]
)
def test_a_damaged_file_is_found(scene: Scene, damage: Callable[[Path], None], kind: str) -> None:
    damage(scene.files[0])
    assert scene.kinds() == {kind}


def test_a_picture_in_the_bin_may_have_lost_its_file_and_may_have_kept_it(scene: Scene) -> None:
    studio = scene.building.studio
    mei = scene.building.signed_in("mei")
    for picture in list_images(studio, mei, cursor=None, limit=2, origin=ORIGIN).items:
        delete_image(studio, mei, picture.id, ORIGIN)
    scene.files[0].unlink()
    assert scene.found() == []


def test_a_file_that_an_unfinished_job_writes_before_its_row_is_no_difference(scene: Scene) -> None:
    building = scene.building
    job = run.claim(building.studio)
    assert job is not None
    path = building.studio.vault.path_of(recipe_of(building.studio, job, 2))
    (building.outputs / path).write_bytes(b"half a picture")
    assert scene.found() == []

    cancel(building.studio, building.signed_in("mei"), job.id, ORIGIN)
    assert not (building.outputs / path).exists()
    assert scene.found() == []


def test_what_is_wrong_for_a_moment_only_is_no_difference(light: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = light.outputs / "mei/2026-11-23/120000_1_stray.png"
    stray.parent.mkdir(parents=True)
    stray.touch()
    # Not `threading` itself: servers of other tests may be running in this process.
    waiting = SimpleNamespace(wait=lambda *_: stray.unlink())
    monkeypatch.setattr("app.flows.check.threading", SimpleNamespace(Event=lambda: waiting))
    assert find_differences(light.studio) == ()


def test_nothing_is_found_while_pictures_are_made(building: Building) -> None:
    mei = building.person("mei", quota_daily="unlimited")
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            building.click(mei, count=2)
            building.work()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        looks = [find_differences(building.studio, patience=0.2) for _ in range(10)]
    finally:
        done.set()
        worker.join()
    assert looks == [()] * 10
    assert find_differences(building.studio, patience=0) == ()
