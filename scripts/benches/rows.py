"""Rows that are written past all flows: a hundred thousand clicks would take too long."""

from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import text

from app.domain.jobs import JobState
from app.store.connect import Database

AT_ONCE: Final = 4000
BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
# Pixels times steps times the scale of virtual time: how long the turn of one job is.
TURN: Final = 1024 * 1024 * 8 * 100


def settle_in(database: Database, *tables: str) -> None:
    """Let the planner know the new rows, as servers do by themselves within minutes; SQLite never does."""
    words = {"postgresql": "ANALYZE", "mysql": "ANALYZE TABLE", "mariadb": "ANALYZE TABLE"}.get(database.dialect.name)
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in tables if words else ():
            connection.execute(text(f"{words} {table}"))


def person_row(number: int) -> dict[str, Any]:
    zeros = dict.fromkeys(("job_revision", "served_until", "served_until_bulk", "last_served"), 0)
    texts = {"username": f"person{number}", "display_name": "", "department": "", "role": "member"}
    return zeros | texts | {"id": number, "password_hash": "", "must_change_password": False, "created_at": BEGINNING}


def job_row(job_id: str, user_id: int, start: int) -> dict[str, Any]:
    """A waiting one, whose turn begins at `start`."""
    return {
        "id": job_id,
        "user_id": user_id,
        "department": "",
        "state": JobState.QUEUED.value,
        "prompt": "a lighthouse at dusk, oil on canvas, thick brush strokes",
        "negative_prompt": "",
        "width": 1024,
        "height": 1024,
        "steps": 8,
        "guidance_scale": 0.0,
        "seed": 7,
        "count": 1,
        "exact": False,
        "bulk": False,
        "vstart": start,
        "vfinish": start + TURN,
        "cost": 1,
        "work": 8.4,
        "day": date(2026, 1, 1),
        "attempt": 0,
        "losses": 0,
        "revision": 0,
        "ip_address": "",
        "created_at": BEGINNING,
    }
