"""Queue: fair order, leases, budgets of departments, adjusted days, drafts."""

from collections import Counter
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "20261123_queue"
down_revision = "20261123_identity"

# MariaDB commits after each statement: every one of them can be run again after a kill.
_TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "if_not_exists": True,
}
_BINARY: dict[str, Any] = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}
_MYSQL = ("mysql", "mariadb")
_VIEW = """
CREATE VIEW quota_today AS
SELECT u.id AS user_id, u.username AS username, u.quota_daily AS quota_daily,
       COALESCE(d.used, 0) AS used_today, COALESCE(d.reserved, 0) AS reserved_today
FROM users u
LEFT JOIN quota_days d ON d.user_id = u.id AND d.day = (
    SELECT MAX(n.day) FROM quota_days n WHERE n.user_id = u.id AND n.starts_at <= {now} AND n.ends_at > {now})
"""
_NOW = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "postgresql": "(clock_timestamp() AT TIME ZONE 'utc')",
    "mysql": "UTC_TIMESTAMP(6)",
    "mariadb": "UTC_TIMESTAMP(6)",
}


def _name(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, **_BINARY), *_MYSQL)


def _counter() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _time() -> sa.types.TypeEngine[datetime]:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), *_MYSQL)


def upgrade() -> None:
    for label, default in (("max_running", "4"), ("weight", "1")):
        _add("roles", label, sa.Integer(), default)
    for label in ("served_until", "served_until_bulk", "last_served"):
        _add("users", label, _counter(), "0")
    _add("jobs", "bulk", sa.Boolean(), sa.false())
    for label in ("vstart", "vfinish"):
        _add("jobs", label, _counter(), "0")
    _add("jobs", "worker", _name(16), None)
    _add("jobs", "lease_until", _time(), None)
    _add("quota_days", "adjusted", sa.Integer(), "0")
    _add("service_state", "draining", sa.Boolean(), sa.false())
    for label in ("virtual_time", "served"):
        _add("service_state", label, _counter(), "0")
    op.create_index("ix_jobs_state_vstart_seq", "jobs", ["state", "vstart", "seq"], if_not_exists=True)
    op.create_index("ix_jobs_user_id_state_vstart", "jobs", ["user_id", "state", "vstart"], if_not_exists=True)
    op.drop_index("ix_jobs_state_seq", "jobs", if_exists=True)
    _widen_entries()
    _new_tables()
    _fill_months()
    op.execute("DROP VIEW IF EXISTS quota_today")
    # A colon would be read as a parameter.
    op.execute(sa.text(_VIEW.format(now=_NOW[op.get_bind().dialect.name]).replace(":", r"\:")))


def _add(table: str, label: str, kind: sa.types.TypeEngine[Any], default: object) -> None:
    """NULL may stand in it if there is no default; the default is for the rows of before."""
    if label not in _columns(table):
        op.add_column(table, sa.Column(label, kind, nullable=default is None, server_default=default))  # type: ignore[arg-type]
    if default is not None and op.get_bind().dialect.name != "sqlite":
        op.alter_column(table, label, existing_type=kind, server_default=None, nullable=False)


def _columns(table: str) -> set[str]:
    return {each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)}


def _widen_entries() -> None:
    """An adjusted day has no job, and a reason in an administrator's own words."""
    has_actor = "actor" in _columns("quota_entries")
    with op.batch_alter_table("quota_entries") as table:
        table.alter_column("job_id", existing_type=_name(16), nullable=True)
        table.alter_column("reason", existing_type=_name(32), type_=_name(160), existing_nullable=False)
        if not has_actor:
            table.add_column(sa.Column("actor", _name(64), nullable=False, server_default=""))
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("quota_entries", "actor", existing_type=_name(64), server_default=None, nullable=False)


def _new_tables() -> None:
    op.create_table(
        "departments",
        sa.Column("name", _name(64), nullable=False),
        sa.Column("budget_monthly", sa.Integer(), nullable=True),
        sa.CheckConstraint("budget_monthly >= 0", name=op.f("ck_departments_budget_monthly")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_departments")),
        **_TABLE,
    )
    op.create_table(
        "quota_months",
        sa.Column("department", _name(64), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("allowance", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.CheckConstraint("used >= 0 AND reserved >= 0", name=op.f("ck_quota_months_not_negative")),
        sa.CheckConstraint(
            "allowance < 0 OR used + reserved <= allowance", name=op.f("ck_quota_months_within_allowance")
        ),
        sa.PrimaryKeyConstraint("department", "month", name=op.f("pk_quota_months")),
        **_TABLE,
    )
    op.create_table(
        "drafts",
        sa.Column("user_id", _counter(), autoincrement=False, nullable=False),
        sa.Column("content", sa.Text().with_variant(mysql.MEDIUMTEXT(**_BINARY), *_MYSQL), nullable=False),
        sa.Column("updated_at", _time(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_drafts_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_drafts")),
        **_TABLE,
    )


def _fill_months() -> None:
    """What each department has made so far, out of the ledger."""
    connection = op.get_bind()
    if connection.execute(sa.text("SELECT month FROM quota_months")).first() is not None:
        return
    entries = sa.table(
        "quota_entries", *(sa.column(each) for each in ("job_id", "kind", "amount")), sa.column("day", sa.Date)
    )
    jobs = sa.table("jobs", sa.column("id"), sa.column("department"))
    total = sa.func.sum(entries.c.amount)
    query = (
        sa.select(jobs.c.department, entries.c.day, entries.c.kind, total)
        .join(entries, entries.c.job_id == jobs.c.id)
        .where(jobs.c.department != "")
        .group_by(jobs.c.department, entries.c.day, entries.c.kind)
    )
    sums: Counter[tuple[str, date, str]] = Counter()
    for department, day, kind, amount in connection.execute(query):
        sums[department, day.replace(day=1), kind] += int(amount)
    months = sa.table(
        "quota_months",
        sa.column("department"),
        sa.column("month", sa.Date),
        *(sa.column(each) for each in ("allowance", "used", "reserved")),
    )
    for department, month in sorted({(department, month) for department, month, _ in sums}):
        used = sums[department, month, "commit"]
        held = sums[department, month, "reserve"] - used - sums[department, month, "release"]
        values = {"department": department, "month": month, "allowance": -1, "used": used, "reserved": held}
        connection.execute(sa.insert(months).values(**values))
