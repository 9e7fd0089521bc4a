"""What each verb does, says and writes down."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.people import Principal, Scope
from app.flows import identify
from app.flows.sign_in import sign_in
from app.flows.studio import NOWHERE
from tests.cli.conftest import Terminal
from tests.databases import sqlite
from tests.houses import PASSWORD, Building, make_house

USER = {"username", "display_name", "department", "role", "quota_daily", "disabled", "created_at"}
JOB = {"id", "state", "width", "height", "steps", "count", "position", "eta_seconds", "created_at", "started_at"}


@pytest.fixture
def building(terminal: Terminal) -> Iterator[Building]:
    """The house that the terminal administers."""
    (terminal.folder / "data").mkdir()
    with make_house(sqlite(terminal.folder / "data/atelier.db", None), terminal.folder) as made:
        yield made


def may_sign_in(building: Building, name: str, password: str) -> Principal:
    actor = identify.who_has_session(building.studio, sign_in(building.studio, name, password, NOWHERE))
    assert actor is not None
    return actor


def test_a_new_account_gets_a_random_password_once_and_must_change_it(terminal: Terminal, building: Building) -> None:
    lines = terminal.lines("user", "add", "mei", "--role", "member")
    actor = may_sign_in(building, "mei", lines[-1])
    assert actor.user.must_change_password
    assert lines[0] == "Created mei (member)."


def test_a_password_on_standard_input_keeps_all_but_the_line_break(terminal: Terminal, building: Building) -> None:
    lines = terminal.lines(
        "user", "add", "mei", "--role", "member", "--password-stdin", stdin="  long enough \nanother line\n"
    )
    assert lines == ["Created mei (member)."]
    assert not may_sign_in(building, "mei", "  long enough ").user.must_change_password


def test_a_given_password_can_be_one_that_must_change(terminal: Terminal, building: Building) -> None:
    words = ("user", "add", "mei", "--role", "member", "--password-stdin", "--must-change")
    terminal.run(*words, stdin=f"{PASSWORD}\r\n")
    assert may_sign_in(building, "mei", PASSWORD).user.must_change_password


def test_all_fields_of_an_account_can_be_given_and_changed(terminal: Terminal) -> None:
    fields = ("--department", "设计部", "--display-name", "Mei", "--quota-daily")
    made = terminal.json("user", "add", "mei", "--role", "guest", *fields, "unlimited")
    assert set(made) == USER | {"password"}
    assert (made["department"], made["display_name"], made["quota_daily"]) == ("设计部", "Mei", "unlimited")

    changed = terminal.json("user", "set", "mei", "--role", "member", "--department", "", "--quota-daily", "7")
    assert set(changed) == USER
    assert (changed["role"], changed["department"], changed["quota_daily"]) == ("member", "", 7)
    assert terminal.json("user", "list") == [changed]
    assert terminal.json("user", "set", "mei", "--quota-daily", "default")["quota_daily"] == "default"


def test_a_list_is_aligned_although_chinese_is_wide(terminal: Terminal) -> None:
    terminal.run("user", "add", "a", "--role", "guest", "--department", "设计部")
    terminal.run("user", "add", "b", "--role", "guest", "--department", "design")
    _, first, second = terminal.lines("user", "list")
    assert first.index("guest") + 3 == second.index("guest")


def test_disabling_ends_the_jobs_and_enabling_lets_in_again(terminal: Terminal, building: Building) -> None:
    mei = building.person("mei")
    job = building.click(mei)
    assert terminal.json("user", "disable", "mei", "--reason", "left")["disabled"]
    assert building.studio.store.read(lambda tx: tx.jobs.get(job.id)).state == "cancelled"  # type: ignore[union-attr]
    assert building.quota(mei) == (0, 0)

    assert not terminal.json("user", "enable", "mei")["disabled"]
    may_sign_in(building, "mei", PASSWORD)


def test_a_reset_ends_sessions_and_tokens(terminal: Terminal, building: Building) -> None:
    mei = building.person("mei")
    token = terminal.lines("token", "create", "mei", "--name", "ci")[-1]
    assert identify.who_has_token(building.studio, token, NOWHERE) is not None

    password = terminal.lines("user", "reset-password", "mei")[-1]

    assert identify.who_has_token(building.studio, token, NOWHERE) is None
    assert not identify.still_stands(building.studio, mei)
    assert may_sign_in(building, "mei", password).user.must_change_password


def test_a_chosen_password_need_not_be_changed_after_a_reset(terminal: Terminal, building: Building) -> None:
    building.person("mei")
    terminal.run("user", "reset-password", "mei", "--password-stdin", stdin="another long one\n")
    assert not may_sign_in(building, "mei", "another long one").user.must_change_password


def test_a_token_stands_alone_on_the_last_line_and_can_be_revoked(terminal: Terminal, building: Building) -> None:
    building.person("mei")
    lines = terminal.lines("token", "create", "mei", "--name", "ci", "--scope", "read", "--scope", "generate")
    actor = identify.who_has_token(building.studio, lines[-1], NOWHERE)
    assert actor is not None
    assert actor.scopes == frozenset({Scope.READ, Scope.GENERATE})

    listed = terminal.json("token", "list", "mei")
    assert [(each["name"], each["scopes"], each["revoked_at"]) for each in listed] == [
        ("ci", ["generate", "read"], None)
    ]
    assert lines[-1] not in terminal.run("token", "list", "mei").output
    terminal.run("token", "revoke", listed[0]["id"])
    assert identify.who_has_token(building.studio, lines[-1], NOWHERE) is None
    terminal.run("token", "revoke", listed[0]["id"], code=1)


def test_a_new_token_as_json_is_one_document(terminal: Terminal, building: Building) -> None:
    building.person("mei")
    made = terminal.json("token", "create", "mei", "--name", "ci", "--expires-days", "1")
    assert made["token"].startswith(f"atl_{made['id']}_")
    assert (made["username"], made["scopes"]) == ("mei", None)


def test_the_queue_is_listed_without_prompts_paused_and_resumed(terminal: Terminal, building: Building) -> None:
    job = building.click(building.person("mei"), prompt="a secret", count=2)
    listed = terminal.json("queue", "list")
    assert [each["id"] for each in listed] == [job.id]
    assert JOB | {"username"} <= set(listed[0])
    assert "a secret" not in str(listed)

    heads, row = terminal.lines("queue", "list")
    assert heads.split() == ["PLACE", "ID", "USER", "STATE", "SIZE", "STEPS", "PICTURES", "CREATED"]
    assert row.split()[:7] == ["1", job.id, "mei", "queued", "256x256", "2", "2"]

    assert terminal.json("queue", "pause") == {"paused": True, "draining": False}
    assert building.studio.store.read(lambda tx: tx.service.get()).paused
    assert "The queue is paused." in terminal.lines("queue", "list")
    terminal.run("queue", "resume")
    assert not building.studio.store.read(lambda tx: tx.service.get()).paused


def test_anybodys_job_can_be_cancelled_once(terminal: Terminal, building: Building) -> None:
    mei = building.person("mei")
    job = building.click(mei)
    cancelled = terminal.json("job", "cancel", job.id)
    assert JOB | {"prompt", "images", "error"} <= set(cancelled)
    assert (cancelled["id"], cancelled["state"]) == (job.id, "cancelled")
    assert building.quota(mei) == (0, 0)
    assert terminal.json("job", "cancel", job.id, code=1)["error"]["code"] == "conflict"


def test_what_a_running_server_must_notice_is_announced(terminal: Terminal, building: Building) -> None:
    building.person("mei")
    token = terminal.json("token", "create", "mei", "--name", "ci")["id"]
    for words in (
        ("queue", "pause"),
        ("queue", "drain"),
        ("token", "revoke", token),
        ("user", "reset-password", "mei"),
        ("user", "set", "mei", "--role", "guest"),
        ("user", "disable", "mei"),
        ("user", "enable", "mei"),
    ):
        before = building.studio.store.read(lambda tx: tx.service.get()).revision
        terminal.run(*words)
        assert building.studio.store.read(lambda tx: tx.service.get()).revision > before, words


def test_everything_is_written_down_as_done_by_the_console(terminal: Terminal, building: Building) -> None:
    job = building.click(building.person("other"))
    seen = len(building.actions())
    terminal.run("user", "add", "mei", "--role", "member")
    terminal.run("user", "set", "mei", "--quota-daily", "5")
    token = terminal.json("token", "create", "mei", "--name", "ci")["id"]
    terminal.run("token", "revoke", token)
    terminal.run("user", "reset-password", "mei")
    terminal.run("user", "disable", "mei", "--reason", "left")
    terminal.run("user", "enable", "mei")
    terminal.run("queue", "pause")
    terminal.run("job", "cancel", job.id)
    terminal.run("cache", "clear")

    assert building.actions()[seen:] == [
        ("console", "user:create", "ok"),
        ("console", "user:change", "ok"),
        ("console", "token:create", "ok"),
        ("console", "token:revoke", "ok"),
        ("console", "user:password-reset", "ok"),
        ("console", "user:disable", "ok"),
        ("console", "user:enable", "ok"),
        ("console", "queue:control", "ok"),
        ("console", "job:end", "ok"),
        ("console", "cache:clear", "ok"),
    ]
    trail = building.studio.store.read(lambda tx: tx.audit.list(limit=200)).items
    disabled = next(row for row in trail if row.action == "user:disable")
    assert (disabled.subject, disabled.details) == ("mei", '{"reason": "left"}')


def test_a_check_is_silent_about_a_sound_house_and_names_each_difference(
    terminal: Terminal, building: Building
) -> None:
    mei = building.person("mei")
    building.click(mei)
    building.work()
    assert terminal.json("db", "check") == []
    assert terminal.lines("db", "check") == ["Schema, ledger, day rows, jobs, pictures and files agree."]

    (file,) = building.outputs.rglob("*.png")
    file.unlink()
    path = file.relative_to(building.outputs).as_posix()
    (line,) = terminal.lines("db", "check", code=1)
    assert line.startswith(f"file-missing: {path}: the file of picture ")
    (difference,) = terminal.json("db", "check", code=1)
    assert set(difference) == {"kind", "subject", "detail"}
    assert (difference["kind"], difference["subject"]) == ("file-missing", path)


def test_an_unused_database_of_any_kind_gets_its_tables_and_roles(terminal: Terminal, empty_database_url: str) -> None:
    there = ("--database-url", empty_database_url)
    terminal.run("user", "add", "mei", "--role", "member", "--department", "设计部", *there)
    assert [user["department"] for user in terminal.json("user", "list", *there)] == ["设计部"]
    assert terminal.json("queue", "pause", *there) == {"paused": True, "draining": False}
    assert terminal.json("db", "check", *there) == []
    assert terminal.json("db", "upgrade", *there) == {"schema": "current"}


@pytest.mark.usefixtures("building")
def test_the_doctor_finds_a_sound_machine_sound(terminal: Terminal) -> None:
    found = terminal.json("doctor", "--config", str(_settings(terminal.folder, 'model = "demo"')))
    assert {each["check"] for each in found} == {
        "python",
        "settings",
        "timezone",
        "folder",
        "space",
        "database",
        "images",
        "torch",
        "model",
    }
    assert [each for each in found if not each["ok"]] == []


def test_the_doctor_changes_nothing(terminal: Terminal) -> None:
    terminal.run("doctor")
    assert list(terminal.folder.iterdir()) == []


def test_the_doctor_names_what_is_broken(terminal: Terminal) -> None:
    (terminal.folder / "data").touch()
    settings = _settings(terminal.folder, 'model = "no/such/model"', 'device = "cuda:7"')
    found = terminal.json("doctor", "--config", str(settings), code=1)
    assert {"folder", "torch", "model"} <= {each["check"] for each in found if not each["ok"]}
    lines = terminal.lines("doctor", "--config", str(settings), code=1)
    assert f"[broken] Folder: {terminal.folder / 'data'} cannot be written" in lines


def _settings(folder: Path, *lines: str) -> Path:
    file = folder / "settings.toml"
    file.write_text("\n".join(lines))
    return file
