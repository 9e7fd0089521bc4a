"""First schema: people, sessions, tokens, jobs, pictures, quota, audit and the service's state."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "20261123_first"
down_revision = None

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


_NOW = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "postgresql": "(clock_timestamp() AT TIME ZONE 'utc')",
    "mysql": "UTC_TIMESTAMP(6)",
    "mariadb": "UTC_TIMESTAMP(6)",
}

_QUOTA_TODAY = """
CREATE VIEW quota_today AS
SELECT u.id AS user_id, u.username AS username, u.quota_daily AS quota_daily,
       COALESCE(d.used, 0) AS used_today, COALESCE(d.reserved, 0) AS reserved_today
FROM users u
LEFT JOIN quota_days d ON d.user_id = u.id AND d.starts_at <= {now} AND d.ends_at > {now}
"""

_GENERATION_LOGS = """
CREATE VIEW generation_logs AS
SELECT i.seq AS log_id, i.user_id AS user_id, u.username AS username, j.department AS department,
       j.prompt AS prompt, j.negative_prompt AS negative_prompt, i.width AS width, i.height AS height,
       j.steps AS steps, j.guidance_scale AS cfg, i.seed AS seed, i.path AS output_path,
       i.seconds AS gen_time, j.ip_address AS ip_address, i.created_at AS created_at
FROM images i
JOIN jobs j ON j.id = i.job_id
JOIN users u ON u.id = i.user_id
"""


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", _counter(), autoincrement=True, nullable=False),
        sa.Column("at", _time(), nullable=False),
        sa.Column("actor_id", _counter(), nullable=True),
        sa.Column("actor", _name(64), nullable=False),
        sa.Column("action", _name(48), nullable=False),
        sa.Column("outcome", _name(16), nullable=False),
        sa.Column("subject", _name(64), nullable=False),
        sa.Column("details", _text(), nullable=False),
        sa.Column("ip_address", _name(64), nullable=False),
        sa.Column("request_id", _name(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        **_TABLE,
    )
    op.create_index("ix_audit_events_actor", "audit_events", ["actor"], if_not_exists=True)
    op.create_index("ix_audit_events_at", "audit_events", ["at"], if_not_exists=True)
    op.create_table(
        "roles",
        sa.Column("name", _name(16), nullable=False),
        sa.Column("quota_daily", sa.Integer(), nullable=False),
        sa.Column("max_waiting", sa.Integer(), nullable=False),
        sa.Column("max_side", sa.Integer(), nullable=False),
        sa.Column("max_steps", sa.Integer(), nullable=False),
        sa.Column("max_count", sa.Integer(), nullable=False),
        sa.CheckConstraint("max_waiting >= 20", name=op.f("ck_roles_max_waiting")),
        sa.CheckConstraint("quota_daily >= -1", name=op.f("ck_roles_quota_daily")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_roles")),
        **_TABLE,
    )
    op.create_table(
        "service_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("revision", _counter(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_service_state_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_state")),
        **_TABLE,
    )
    op.create_table(
        "users",
        sa.Column("id", _counter(), autoincrement=True, nullable=False),
        sa.Column("username", _name(32), nullable=False),
        sa.Column("display_name", _name(64), nullable=False),
        sa.Column("department", _name(64), nullable=False),
        sa.Column("role", _name(16), nullable=False),
        sa.Column("quota_daily", sa.Integer(), nullable=True),
        sa.Column("password_hash", _name(255), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("language", _name(16), nullable=True),
        sa.Column("job_revision", _counter(), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("disabled_at", _time(), nullable=True),
        sa.Column("disabled_reason", _text(), nullable=True),
        sa.CheckConstraint("quota_daily >= -1", name=op.f("ck_users_quota_daily")),
        sa.ForeignKeyConstraint(["role"], ["roles.name"], name=op.f("fk_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
        **_TABLE,
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", _name(12), nullable=False),
        sa.Column("secret_hash", _name(64), nullable=False),
        sa.Column("user_id", _counter(), nullable=False),
        sa.Column("name", _name(64), nullable=False),
        sa.Column("scopes", _name(64), nullable=True),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("expires_at", _time(), nullable=False),
        sa.Column("last_used_at", _time(), nullable=True),
        sa.Column("revoked_at", _time(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        **_TABLE,
    )
    op.create_index("ix_api_tokens_user_id", "api_tokens", ["user_id"], if_not_exists=True)
    op.create_table(
        "jobs",
        sa.Column("seq", _counter(), autoincrement=True, nullable=False),
        sa.Column("id", _name(16), nullable=False),
        sa.Column("user_id", _counter(), nullable=False),
        sa.Column("department", _name(64), nullable=False),
        sa.Column("state", _name(16), nullable=False),
        sa.Column("prompt", _text(), nullable=False),
        sa.Column("negative_prompt", _text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("guidance_scale", sa.Double(), nullable=False),
        sa.Column("seed", _counter(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("exact", sa.Boolean(), nullable=False),
        sa.Column("cost", sa.Integer(), nullable=False),
        sa.Column("work", sa.Double(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("revision", _counter(), nullable=False),
        sa.Column("error_code", _name(32), nullable=True),
        sa.Column("ip_address", _name(64), nullable=False),
        sa.Column("token_id", _name(12), nullable=True),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("started_at", _time(), nullable=True),
        sa.Column("ended_at", _time(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_jobs_user_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_jobs")),
        sa.UniqueConstraint("id", name=op.f("uq_jobs_id")),
        **_TABLE,
    )
    op.create_index("ix_jobs_state_seq", "jobs", ["state", "seq"], if_not_exists=True)
    op.create_index("ix_jobs_user_id_revision", "jobs", ["user_id", "revision"], if_not_exists=True)
    op.create_index("ix_jobs_user_id_seq", "jobs", ["user_id", "seq"], if_not_exists=True)
    op.create_table(
        "quota_days",
        sa.Column("user_id", _counter(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("starts_at", _time(), nullable=False),
        sa.Column("ends_at", _time(), nullable=False),
        sa.Column("allowance", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "allowance < 0 OR used + reserved <= allowance", name=op.f("ck_quota_days_within_allowance")
        ),
        sa.CheckConstraint("used >= 0 AND reserved >= 0", name=op.f("ck_quota_days_not_negative")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_quota_days_user_id")),
        sa.PrimaryKeyConstraint("user_id", "day", name=op.f("pk_quota_days")),
        **_TABLE,
    )
    op.create_table(
        "sessions",
        sa.Column("id", _counter(), autoincrement=True, nullable=False),
        sa.Column("token_hash", _name(64), nullable=False),
        sa.Column("user_id", _counter(), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("last_seen_at", _time(), nullable=False),
        sa.Column("expires_at", _time(), nullable=False),
        sa.Column("ip_address", _name(64), nullable=False),
        sa.Column("user_agent", _name(256), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
        **_TABLE,
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], if_not_exists=True)
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", _counter(), nullable=False),
        sa.Column("key", _name(128), nullable=False),
        sa.Column("fingerprint", _name(64), nullable=False),
        sa.Column("job_id", _name(16), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_idempotency_keys_job_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id")),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
        **_TABLE,
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], if_not_exists=True)
    op.create_table(
        "images",
        sa.Column("seq", _counter(), autoincrement=True, nullable=False),
        sa.Column("id", _name(16), nullable=False),
        sa.Column("job_id", _name(16), nullable=False),
        sa.Column("user_id", _counter(), nullable=False),
        sa.Column("picture_index", sa.Integer(), nullable=False),
        sa.Column("seed", _counter(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("path", _name(160), nullable=False),
        sa.Column("sha256", _name(64), nullable=False),
        sa.Column("size", _counter(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("favourite", sa.Boolean(), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("deleted_at", _time(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_images_job_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_images_user_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_images")),
        sa.UniqueConstraint("id", name=op.f("uq_images_id")),
        sa.UniqueConstraint("job_id", "picture_index", name=op.f("uq_images_job_id_picture_index")),
        **_TABLE,
    )
    op.create_index("ix_images_user_id_seq", "images", ["user_id", "seq"], if_not_exists=True)
    op.create_table(
        "quota_entries",
        sa.Column("id", _counter(), autoincrement=True, nullable=False),
        sa.Column("user_id", _counter(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("job_id", _name(16), nullable=False),
        sa.Column("picture_index", sa.Integer(), nullable=False),
        sa.Column("kind", _name(16), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("reason", _name(32), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_quota_entries_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quota_entries")),
        sa.UniqueConstraint("job_id", "kind", "picture_index", name=op.f("uq_quota_entries_job_id_kind_picture_index")),
        **_TABLE,
    )
    op.create_index("ix_quota_entries_user_id_day", "quota_entries", ["user_id", "day"], if_not_exists=True)
    connection = op.get_bind()
    if connection.execute(sa.text("SELECT id FROM service_state")).first() is None:
        op.execute("INSERT INTO service_state (id, paused, revision) VALUES (1, false, 0)")
    for view, definition in (("quota_today", _QUOTA_TODAY), ("generation_logs", _GENERATION_LOGS)):
        op.execute(f"DROP VIEW IF EXISTS {view}")
        # A colon would be read as a parameter.
        op.execute(sa.text(definition.format(now=_NOW[connection.dialect.name]).replace(":", r"\:")))
