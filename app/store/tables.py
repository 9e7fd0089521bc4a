"""The tables. Reports may read `users` and the two views; everything else is ours to change by a migration."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    UniqueConstraint,
)

from app.store.columns import metadata, owner, row_id, table, time
from app.store.types import counter, name, text

__all__ = ["metadata"]

roles = table(
    "roles",
    Column("name", name(16), primary_key=True),
    Column("quota_daily", Integer, nullable=False),
    Column("max_waiting", Integer, nullable=False),
    Column("max_side", Integer, nullable=False),
    Column("max_steps", Integer, nullable=False),
    Column("max_count", Integer, nullable=False),
    Column("jobs_per_minute", Integer, nullable=False),
    Column("max_running", Integer, nullable=False),
    Column("weight", Integer, nullable=False),
    CheckConstraint("quota_daily >= -1", name="quota_daily"),
    CheckConstraint("max_waiting >= 20", name="max_waiting"),
)

users = table(
    "users",
    row_id(),
    Column("username", name(32), nullable=False, unique=True),
    Column("display_name", name(64), nullable=False),
    Column("department", name(64), nullable=False),
    Column("role", name(16), ForeignKey("roles.name"), nullable=False),
    Column("quota_daily", Integer),
    Column("password_hash", name(255), nullable=False),
    Column("must_change_password", Boolean, nullable=False),
    Column("language", name(16)),
    # Grows with every change of one of the user's jobs: what a long poll compares.
    Column("job_revision", counter(), nullable=False),
    # Fair order: the virtual time up to which each class of jobs was served, and the number of the last claim.
    Column("served_until", counter(), nullable=False),
    Column("served_until_bulk", counter(), nullable=False),
    Column("last_served", counter(), nullable=False),
    time("created_at"),
    time("disabled_at", nullable=True),
    Column("disabled_reason", text()),
    CheckConstraint("quota_daily >= -1", name="quota_daily"),
)

sessions = table(
    "sessions",
    row_id(),
    Column("token_hash", name(64), nullable=False, unique=True),
    owner(index=True),
    time("created_at"),
    time("last_seen_at"),
    time("expires_at"),
    Column("ip_address", name(64), nullable=False),
    Column("user_agent", name(256), nullable=False),
)

api_tokens = table(
    "api_tokens",
    Column("id", name(12), primary_key=True),
    Column("secret_hash", name(64), nullable=False),
    owner(index=True),
    Column("name", name(64), nullable=False),
    Column("scopes", name(64)),
    # Networks, with blanks between them; NULL is any.
    Column("addresses", text()),
    Column("quota_daily", Integer),
    time("created_at"),
    time("expires_at"),
    time("last_used_at", nullable=True),
    time("revoked_at", nullable=True),
)

# Wrong passwords by a short hash of the account's name: a restart must not reset the waits.
login_failures = table(
    "login_failures",
    Column("account", name(32), primary_key=True),
    Column("count", Integer, nullable=False),
    time("last_at"),
    Index(None, "last_at"),
)

jobs = table(
    "jobs",
    Column("seq", counter(), primary_key=True, autoincrement=True),
    Column("id", name(16), nullable=False, unique=True),
    owner(),
    Column("department", name(64), nullable=False),
    Column("state", name(16), nullable=False),
    Column("prompt", text(), nullable=False),
    Column("negative_prompt", text(), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("guidance_scale", Double, nullable=False),
    Column("seed", counter(), nullable=False),
    Column("count", Integer, nullable=False),
    Column("exact", Boolean, nullable=False),
    Column("bulk", Boolean, nullable=False),
    # What it begins with: ids of pictures or uploads; `loras` is JSON. NULL where there is none.
    Column("image", name(16)),
    Column("mask", name(16)),
    Column("strength", Double),
    Column("loras", text()),
    # Fair order: when the job's turn begins and ends in virtual time.
    Column("vstart", counter(), nullable=False),
    Column("vfinish", counter(), nullable=False),
    Column("cost", Integer, nullable=False),
    Column("work", Double, nullable=False),
    Column("day", Date, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("revision", counter(), nullable=False),
    Column("error_code", name(32)),
    # Who runs it, and how long that is believed without news.
    Column("worker", name(16)),
    time("lease_until", nullable=True),
    Column("ip_address", name(64), nullable=False),
    Column("token_id", name(12)),
    time("created_at"),
    time("started_at", nullable=True),
    time("ended_at", nullable=True),
    Index(None, "user_id", "seq"),
    Index(None, "user_id", "revision"),
    Index(None, "user_id", "state", "vstart"),
    Index(None, "state", "vstart", "seq"),
    Index(None, "token_id", "day"),
)

images = table(
    "images",
    Column("seq", counter(), primary_key=True, autoincrement=True),
    Column("id", name(16), nullable=False, unique=True),
    Column("job_id", name(16), ForeignKey("jobs.id"), nullable=False),
    owner(),
    Column("picture_index", Integer, nullable=False),
    Column("seed", counter(), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("path", name(160), nullable=False),
    Column("sha256", name(64), nullable=False),
    Column("size", counter(), nullable=False),
    Column("seconds", Double, nullable=False),
    Column("favourite", Boolean, nullable=False),
    # Whether it was given from what was made before, and whether it counts in the quota.
    Column("cached", Boolean, nullable=False),
    Column("charged", Boolean, nullable=False),
    time("created_at"),
    time("deleted_at", nullable=True),
    UniqueConstraint("job_id", "picture_index"),
    Index(None, "user_id", "seq"),
)

quota_days = table(
    "quota_days",
    Column("user_id", counter(), ForeignKey("users.id"), nullable=False),
    Column("day", Date, nullable=False),
    time("starts_at"),
    time("ends_at"),
    Column("allowance", Integer, nullable=False),
    # What administrators added to the day, or took from it; part of the allowance.
    Column("adjusted", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    PrimaryKeyConstraint("user_id", "day"),
    CheckConstraint("used >= 0 AND reserved >= 0", name="not_negative"),
    # The allowance of the last accepted click: the sum never exceeds it, even if the flow is wrong.
    CheckConstraint("allowance < 0 OR used + reserved <= allowance", name="within_allowance"),
)

departments = table(
    "departments",
    Column("name", name(64), primary_key=True),
    # Pictures a month; NULL is unlimited.
    Column("budget_monthly", Integer),
    CheckConstraint("budget_monthly >= 0", name="budget_monthly"),
)

# Beside the days of its people: what a department has made of a month, whether it has a budget or not.
quota_months = table(
    "quota_months",
    Column("department", name(64), nullable=False),
    Column("month", Date, nullable=False),
    Column("allowance", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    PrimaryKeyConstraint("department", "month"),
    CheckConstraint("used >= 0 AND reserved >= 0", name="not_negative"),
    CheckConstraint("allowance < 0 OR used + reserved <= allowance", name="within_allowance"),
)

quota_entries = table(
    "quota_entries",
    row_id(),
    Column("user_id", counter(), nullable=False),
    Column("day", Date, nullable=False),
    # NULL for what an administrator adjusted.
    Column("job_id", name(16), ForeignKey("jobs.id")),
    Column("picture_index", Integer, nullable=False),
    Column("kind", name(16), nullable=False),
    Column("amount", Integer, nullable=False),
    Column("actor", name(64), nullable=False),
    Column("reason", name(160), nullable=False),
    time("created_at"),
    # One reservation and one release a job, one charge a picture, whoever tries again.
    UniqueConstraint("job_id", "kind", "picture_index"),
    Index(None, "user_id", "day"),
)

audit_events = table(
    "audit_events",
    row_id(),
    time("at"),
    Column("actor_id", counter()),
    Column("actor", name(64), nullable=False),
    Column("action", name(48), nullable=False),
    Column("outcome", name(16), nullable=False),
    Column("subject", name(64), nullable=False),
    Column("details", text(), nullable=False),
    Column("ip_address", name(64), nullable=False),
    Column("request_id", name(64), nullable=False),
    Index(None, "at"),
    Index(None, "actor"),
)

idempotency_keys = table(
    "idempotency_keys",
    Column("user_id", counter(), ForeignKey("users.id"), nullable=False),
    Column("key", name(128), nullable=False),
    Column("fingerprint", name(64), nullable=False),
    Column("job_id", name(16), ForeignKey("jobs.id"), nullable=False),
    time("created_at"),
    PrimaryKeyConstraint("user_id", "key"),
    Index(None, "created_at"),
)

# What people have typed and not sent yet: it outlives a closed tab, and no browser keeps it.
drafts = table(
    "drafts",
    Column("user_id", counter(), ForeignKey("users.id"), primary_key=True, autoincrement=False),
    Column("content", text(), nullable=False),
    time("updated_at"),
)

service_state = table(
    "service_state",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("paused", Boolean, nullable=False),
    Column("draining", Boolean, nullable=False),
    # Fair order: the latest turn that has begun, and how many were claimed.
    Column("virtual_time", counter(), nullable=False),
    Column("served", counter(), nullable=False),
    # Grows with every change that other processes must notice at once.
    Column("revision", counter(), nullable=False),
    # Which model administrators want the engine to load, NULL for none, and how often they have wished.
    Column("engine_wish", counter(), nullable=False),
    Column("engine_model", text()),
    CheckConstraint("id = 1", name="single_row"),
)

engines = table(
    "engines",
    Column("worker", name(16), primary_key=True),
    Column("status", text(), nullable=False),
    time("seen_at"),
)
