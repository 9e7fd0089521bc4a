"""What is refused, with which exit code and in which words."""

import pytest
from sqlalchemy import create_engine, text

from tests.cli.conftest import Terminal

ADD = ("user", "add", "mei", "--role", "member")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("user", "add", "Mei", "--role", "member"), "invalid-request"),
        (("user", "add", "con", "--role", "member"), "invalid-request"),
        (("user", "add", "li", "--role", "boss"), "invalid-request"),
        (("user", "add", "li", "--role", "member", "--quota-daily", "-2"), "invalid-request"),
        (("user", "add", "li", "--role", "member", "--department", "a\u202eb"), "invalid-request"),
        (("user", "add", "li", "--role", "member", "--password-stdin"), "invalid-request"),
        (("user", "add", "mei", "--role", "member"), "conflict"),
        (("user", "set", "nobody", "--role", "member"), "not-found"),
        (("user", "set", "mei", "--role", "guest"), "conflict"),
        (("user", "disable", "mei"), "conflict"),
        (("user", "enable", "nobody"), "not-found"),
        (("user", "reset-password", "nobody"), "not-found"),
        (("user", "reset-password", "mei", "--password-stdin"), "invalid-request"),
        (("token", "create", "nobody", "--name", "ci"), "not-found"),
        (("token", "create", "mei", "--name", "ci", "--scope", "all"), "invalid-request"),
        (("token", "create", "mei", "--name", "ci", "--expires-days", "0"), "invalid-request"),
        (("token", "create", "mei", "--name", " "), "invalid-request"),
        (("token", "list", "nobody"), "not-found"),
        (("token", "revoke", "nope"), "not-found"),
        (("job", "cancel", "nope"), "not-found"),
        (("role", "set", "nobody", "--weight", "2"), "not-found"),
        (("role", "set", "member", "--max-waiting", "19"), "invalid-request"),
        (("department", "set", " ", "--budget-monthly", "5"), "invalid-request"),
        (("department", "set", "Design", "--budget-monthly", "-5"), "invalid-request"),
        (("user", "quota", "nobody"), "not-found"),
        (("user", "quota", "mei", "--day", "yesterday"), "invalid-request"),
        (("user", "adjust-quota", "mei", "--by", "0"), "invalid-request"),
        (("audit", "verify"), "conflict"),
        (("report", "monthly", "2026-01", "--format", "csv", "--out", "file"), "conflict"),
        (("backup", "create", "file"), "conflict"),
        (("retention", "run", "--dry-run"), "conflict"),
    ],
)
def test_a_refusal_gives_its_reason_and_changes_nothing(terminal: Terminal, words: tuple[str, ...], code: str) -> None:
    terminal.run("user", "add", "mei", "--role", "admin")
    before = terminal.json("user", "list")

    refused = terminal.run(*words, code=1, stdin="")
    error = terminal.json(*words, code=1, stdin="")["error"]

    assert refused.stdout == ""
    assert refused.stderr.strip()
    assert (error["code"], bool(error["message"])) == (code, True)
    assert ("errors" in error) == (code == "invalid-request")
    assert terminal.json("user", "list") == before


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("user",),
        ("user", "nonsense"),
        ("user", "add"),
        ("user", "add", "mei"),
        ("user", "add", "mei", "--role"),
        ("user", "add", "mei", "--role", "member", "--nonsense"),
        ("user", "set", "mei"),
        ("token", "create", "mei"),
        ("token", "create", "mei", "--name", "ci", "--expires-days", "soon"),
        ("job", "cancel"),
    ],
)
def test_wrong_usage_is_told_apart_from_a_refusal(terminal: Terminal, words: tuple[str, ...]) -> None:
    terminal.run(*words, code=2)
    assert not (terminal.folder / "data").exists()


def test_a_password_that_is_no_text_is_wrong_usage(terminal: Terminal) -> None:
    terminal.run(*ADD, "--password-stdin", code=2, stdin=b"\xff\xfe long enough\n")
    assert terminal.json("user", "list") == []


def test_wrong_settings_are_refused(terminal: Terminal) -> None:
    assert terminal.json("user", "list", "--config", "nowhere.toml", code=3)["error"]["code"] == "configuration-refused"
    assert terminal.json("user", "list", "--database-url", "oracle://x", code=3)["error"]["message"]


def test_a_database_that_is_away_is_told_apart(terminal: Terminal) -> None:
    away = ("--database-url", "postgresql+psycopg://127.0.0.1:9/none")
    for words in (("user", "list"), ("db", "upgrade"), ("db", "check")):
        assert terminal.json(*words, *away, code=5)["error"]["code"] == "database-unavailable"


def test_an_older_schema_is_refused_until_it_is_upgraded(terminal: Terminal) -> None:
    terminal.run(*ADD)
    _sql(terminal, "DELETE FROM alembic_version")

    refused = terminal.run("user", "list", code=5)
    assert "python -m app db upgrade" in refused.stderr
    assert terminal.json("user", "list", code=5)["error"]["code"] == "schema-differs"
    assert [each["kind"] for each in terminal.json("db", "check", code=1)] == ["schema"]
    assert "python -m app db upgrade" in terminal.run("db", "check", code=1).stderr
    assert [each["ok"] for each in terminal.json("doctor", code=1) if each["check"] == "database"] == [False]

    terminal.run("db", "upgrade")
    assert [each["username"] for each in terminal.json("user", "list")] == ["mei"]


def test_a_newer_schema_is_refused_by_the_upgrade_too(terminal: Terminal) -> None:
    terminal.run(*ADD)
    _sql(terminal, "UPDATE alembic_version SET version_num = '29990101_future'")
    terminal.run("user", "list", code=5)
    assert "29990101_future" in terminal.run("db", "upgrade", code=5).stderr


def test_a_changed_schema_is_a_difference(terminal: Terminal) -> None:
    terminal.run(*ADD)
    _sql(terminal, "DROP VIEW quota_today")
    terminal.run("user", "list", code=5)
    found = terminal.json("db", "check", code=1)
    assert [(each["kind"], each["detail"]) for each in found] == [("schema", "view quota_today is missing")]


def test_a_check_of_an_unused_database_makes_no_tables(terminal: Terminal) -> None:
    (terminal.folder / "data").mkdir()
    assert [each["kind"] for each in terminal.json("db", "check", code=1)] == ["schema"]
    assert terminal.json("db", "upgrade") == {"schema": "current"}
    assert terminal.json("db", "check") == []


def test_the_reason_is_told_in_the_terminals_language(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert terminal.run("user", "set", "mei", "--role", "guest", code=1).stderr == "用户 mei 不存在。\n"
    monkeypatch.setenv("LC_MESSAGES", "en_GB.UTF-8")
    assert terminal.run("user", "set", "mei", "--role", "guest", code=1).stderr == "There is no user mei.\n"
    monkeypatch.setenv("LC_ALL", "zh_TW")
    assert terminal.run("user", "set", "mei", "--role", "boss", code=1).stderr.startswith("role: 角色必须是")


def _sql(terminal: Terminal, statement: str) -> None:
    database = create_engine(f"sqlite:///{terminal.folder / 'data/atelier.db'}")
    with database.begin() as connection:
        connection.execute(text(statement))
    database.dispose()
