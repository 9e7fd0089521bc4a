"""The database's schema: brought up to date at start, and refused when it is not what the code expects."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from app.store.tables import metadata

MIGRATIONS: Final = Path(__file__).parent / "migrations"
VIEWS: Final = frozenset({"quota_today", "generation_logs"})
VERSION_TABLE: Final = "alembic_version"
HEAD: Final = "head"


class SchemaError(Exception):
    """The database's schema is not the one that this version needs; `differences` says where."""

    def __init__(self, differences: list[str]) -> None:
        self.differences = differences
        super().__init__("; ".join(differences))


class DatabaseUnreachableError(Exception):
    """No connection could be made."""


def upgrade(engine: Engine, to: str = HEAD) -> None:
    """Apply the missing migrations, then compare. Raises SchemaError or DatabaseUnreachableError."""
    try:
        with engine.connect() as connection:
            _refuse_newer(connection)
            connection.rollback()
            with connection.begin():
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, to)
    except DBAPIError as error:
        raise DatabaseUnreachableError(type(error.orig).__name__) from None
    if to == HEAD:
        check(engine)


def check(engine: Engine) -> None:
    """Compare the database with the tables. Raises SchemaError or DatabaseUnreachableError."""
    try:
        with engine.connect() as connection:
            differences = _differences(connection)
    except DBAPIError as error:
        raise DatabaseUnreachableError(type(error.orig).__name__) from None
    if differences:
        raise SchemaError(differences)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _refuse_newer(connection: Connection) -> None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    found = set(connection.scalars(text("SELECT version_num FROM alembic_version")))
    if unknown := found - known:
        raise SchemaError(
            [f"the database is at revision {', '.join(sorted(unknown))}, which this version does not know"]
        )


def _differences(connection: Connection) -> list[str]:
    options = {"compare_type": True, "include_name": _ours}
    context = MigrationContext.configure(connection, opts=options)
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if (current := context.get_current_revision()) != head:
        return [f"revision {current} instead of {head}"]
    found = [_describe(difference) for difference in compare_metadata(context, metadata)]
    missing = VIEWS - set(inspect(connection).get_view_names())
    return found + [f"view {view} is missing" for view in sorted(missing)]


def _ours(label: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or label in metadata.tables


def _describe(difference: object) -> str:
    flat = difference[0] if isinstance(difference, list) else difference
    if isinstance(flat, tuple):
        return " ".join(str(getattr(part, "name", part)) for part in flat if part is not None)[:160]
    return str(flat)[:160]
