"""`python -m app user …`: accounts."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.console import Desk, group, table, verb
from app.cli.texts import text

if TYPE_CHECKING:
    from app.flows.users import NewPassword

MAX_LINE = 4096

users = group("user")
Name = Annotated[str, typer.Argument(metavar="NAME", help=text("option.name"))]
Role = Annotated[str | None, typer.Option("--role", help=text("option.role"))]
Department = Annotated[str | None, typer.Option("--department", help=text("option.department"))]
DisplayName = Annotated[str | None, typer.Option("--display-name", help=text("option.display-name"))]
Quota = Annotated[
    str | None, typer.Option("--quota-daily", metavar="N|default|unlimited", help=text("option.quota-daily"))
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help=text("option.password-stdin"))]
MustChange = Annotated[bool, typer.Option("--must-change", help=text("option.must-change"))]
Reason = Annotated[str, typer.Option("--reason", help=text("option.reason"))]


@verb(users, "add")
def user_add(  # noqa: PLR0913 - one argument a field of the account
    desk: Desk,
    username: Name,
    *,
    role: Annotated[str, typer.Option("--role", help=text("option.role"))],
    department: Department = None,
    display_name: DisplayName = None,
    quota_daily: Quota = None,
    password_stdin: PasswordStdin = False,
    must_change: MustChange = False,
) -> None:
    from app.flows.studio import NOWHERE
    from app.flows.users import create_user

    fields = _given(role=role, department=department, display_name=display_name, quota_daily=quota_daily)
    body: dict[str, object] = {"username": username, **fields}
    if password_stdin:
        body["password"] = _read_password()
    if must_change:
        body["must_change"] = True
    made = create_user(desk.studio, desk.actor, body, NOWHERE)
    _hand_over(desk, made, text("said.user-added", username=made.user.username, role=made.user.role))


@verb(users, "set")
def user_set(
    desk: Desk,
    username: Name,
    *,
    role: Role = None,
    department: Department = None,
    display_name: DisplayName = None,
    quota_daily: Quota = None,
) -> None:
    fields = _given(role=role, department=department, display_name=display_name, quota_daily=quota_daily)
    if not fields:
        raise typer.BadParameter(text("usage.nothing-to-set"))
    _change(desk, username, fields, "said.user-changed")


@verb(users, "list")
def user_list(desk: Desk) -> None:
    from app.flows.studio import NOWHERE
    from app.flows.users import list_users
    from app.flows.views import user_json

    found = [user_json(user) for user in list_users(desk.studio, desk.actor, NOWHERE)]
    columns = ("username", "display_name", "department", "role", "quota_daily")
    state = {True: text("word.disabled"), False: text("word.active")}
    rows = [[*(user[column] for column in columns), state[user["disabled"]]] for user in found]
    desk.answer(found, *table([*(text(f"head.{column}") for column in columns), text("head.state")], rows))


@verb(users, "disable")
def user_disable(desk: Desk, username: Name, *, reason: Reason = "") -> None:
    _change(desk, username, {"disabled": True}, "said.user-disabled", reason)


@verb(users, "enable")
def user_enable(desk: Desk, username: Name) -> None:
    _change(desk, username, {"disabled": False}, "said.user-enabled")


@verb(users, "end-sessions")
def user_end_sessions(desk: Desk, username: Name) -> None:
    from app.flows.sessions import end_sessions_of
    from app.flows.studio import NOWHERE

    ended = end_sessions_of(desk.studio, desk.actor, username, NOWHERE)
    desk.answer({"username": username, "ended": ended}, text("said.sessions-ended", username=username, count=ended))


@verb(users, "reset-password")
def user_reset_password(desk: Desk, username: Name, *, password_stdin: PasswordStdin = False) -> None:
    from app.flows.studio import NOWHERE
    from app.flows.users import reset_password

    given = _read_password() if password_stdin else None
    # Somebody chose a password on purpose, together with its owner; a random one was seen by whoever typed this.
    reset = reset_password(desk.studio, desk.actor, username, given, NOWHERE, must_change=given is None)
    _hand_over(desk, reset, text("said.password-reset", username=username))


def _change(desk: Desk, username: str, fields: dict[str, object], said: str, reason: str = "") -> None:
    from app.flows.studio import NOWHERE
    from app.flows.users import change_user
    from app.flows.views import user_json

    user = change_user(desk.studio, desk.actor, username, fields, NOWHERE, reason=reason)
    desk.answer(user_json(user), text(said, username=user.username))


def _hand_over(desk: Desk, made: "NewPassword", said: str) -> None:
    """A random password stands alone on the last line, this once."""
    from app.flows.views import user_json

    if made.password is None:
        desk.answer(user_json(made.user), said)
    else:
        document = user_json(made.user) | {"password": made.password}
        desk.answer(document, said, text("said.password-once"), made.password)


def _given(**options: object) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _read_password() -> str:
    """One line of standard input; all but its line break is the password."""
    line = sys.stdin.buffer.readline(MAX_LINE)
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise typer.BadParameter(text("usage.password-encoding")) from None
