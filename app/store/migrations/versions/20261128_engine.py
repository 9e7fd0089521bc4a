"""The engine: what administrators want loaded, and how the engine of each server is."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "20261128_engine"
down_revision = "20261128_results"

# MariaDB commits after each statement: every one of them can be run again after a kill.
_TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "if_not_exists": True,
}
_BINARY: dict[str, Any] = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}
_MYSQL = ("mysql", "mariadb")


def _name(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, **_BINARY), *_MYSQL)


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(mysql.MEDIUMTEXT(**_BINARY), *_MYSQL)


def _counter() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _time() -> sa.types.TypeEngine[datetime]:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), *_MYSQL)


def upgrade() -> None:
    known = {each["name"] for each in sa.inspect(op.get_bind()).get_columns("service_state")}
    if "engine_wish" not in known:
        op.add_column("service_state", sa.Column("engine_wish", _counter(), nullable=False, server_default="0"))
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column(
            "service_state", "engine_wish", existing_type=_counter(), server_default=None, existing_nullable=False
        )
    if "engine_model" not in known:
        op.add_column("service_state", sa.Column("engine_model", _text(), nullable=True))
    op.create_table(
        "engines",
        sa.Column("worker", _name(16), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("seen_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_engines")),
        **_TABLE,
    )
