"""Editing: what a job begins with, and the LoRAs that it names."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "20261128_editing"
down_revision = "20261123_queue"

_BINARY: dict[str, Any] = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}
_MYSQL = ("mysql", "mariadb")


def upgrade() -> None:
    id_of = sa.String(16).with_variant(mysql.VARCHAR(16, **_BINARY), *_MYSQL)
    _add("image", id_of)
    _add("mask", id_of)
    _add("strength", sa.Double())
    _add("loras", sa.Text().with_variant(mysql.MEDIUMTEXT(**_BINARY), *_MYSQL))


def _add(label: str, kind: sa.types.TypeEngine[Any]) -> None:
    """MariaDB commits after each statement: this one may have run before a kill."""
    if label not in {each["name"] for each in sa.inspect(op.get_bind()).get_columns("jobs")}:
        op.add_column("jobs", sa.Column(label, kind, nullable=True))
