"""`python -m app db …`: the schema, and proof that rows and files agree."""

import typer

from app.cli.console import REFUSED, Desk, group, schema_text, verb
from app.cli.texts import language, text
from app.messages import translate

database = group("db")


@verb(database, "upgrade")
def db_upgrade(desk: Desk) -> None:
    from app.bootstrap import make_folders, migrate

    make_folders(desk.settings)
    migrate(desk.house, desk.settings)
    desk.answer({"schema": "current"}, text("said.schema-current"))


@verb(database, "check")
def db_check(desk: Desk) -> None:
    """One line a difference; with a wrong schema the rest cannot be asked."""
    from app.bootstrap import SchemaError, check_schema

    try:
        check_schema(desk.house)
        found = _differences(desk)
    except SchemaError as error:
        if not desk.as_json:
            typer.echo(schema_text(error), err=True)
        found = [{"kind": "schema", "subject": "database", "detail": each} for each in error.differences]
    lines = [f"{each['kind']}: {each['subject']}: {each['detail']}" for each in found]
    desk.answer(found, *(lines or [text("said.all-agrees")]))
    if found:
        raise typer.Exit(REFUSED)


def _differences(desk: Desk) -> list[dict[str, str]]:
    from app.flows.check import find_differences

    return [
        {
            "kind": each.kind,
            "subject": each.subject,
            "detail": translate(language(), f"difference.{each.kind}", **each.params),
        }
        for each in find_differences(desk.house.studio)
    ]
