"""Identity: waits that outlive a restart, tokens bound to addresses and with a quota, jobs a minute of a role."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "20261123_identity"
down_revision = "20261123_first"

_TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "if_not_exists": True,
}
_BINARY: dict[str, Any] = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}
_MYSQL = ("mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "login_failures",
        sa.Column("account", sa.String(32).with_variant(mysql.VARCHAR(32, **_BINARY), *_MYSQL), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), *_MYSQL), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_login_failures")),
        **_TABLE,
    )
    op.create_index("ix_login_failures_last_at", "login_failures", ["last_at"], if_not_exists=True)
    op.create_index("ix_jobs_token_id_day", "jobs", ["token_id", "day"], if_not_exists=True)
    addresses = sa.Text().with_variant(mysql.MEDIUMTEXT(**_BINARY), *_MYSQL)
    _add_column("api_tokens", sa.Column("addresses", addresses, nullable=True))
    _add_column("api_tokens", sa.Column("quota_daily", sa.Integer(), nullable=True))
    _add_column("roles", sa.Column("jobs_per_minute", sa.Integer(), nullable=False, server_default="120"))
    for role, jobs in (("guest", 1), ("admin", 300)):
        op.execute(f"UPDATE roles SET jobs_per_minute = {jobs} WHERE name = '{role}' AND jobs_per_minute = 120")  # noqa: S608 - ours
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("roles", "jobs_per_minute", existing_type=sa.Integer(), server_default=None, nullable=False)


def _add_column(table: str, column: sa.Column[Any]) -> None:
    """MariaDB commits after each statement: this one may have run before a kill."""
    if column.name not in {each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)
