"""Writes an event in the transaction that it tells about."""

import json
from dataclasses import fields
from datetime import datetime

from app.audit.events import Event
from app.domain.errors import printable
from app.domain.people import Origin, User
from app.store.transaction import Transaction

SYSTEM = "system"


def record(
    tx: Transaction, event: Event, *, actor: User | None, origin: Origin, at: datetime, actor_name: str = SYSTEM
) -> None:
    """`actor_name` names whoever acts without an account: the command line, the system, a failed login."""
    details = {field.name: getattr(event, field.name) for field in fields(event) if field.name != "subject"}
    tx.audit.add(
        {
            "at": at,
            "actor_id": None if actor is None else actor.id,
            "actor": actor_name if actor is None else actor.username,
            "action": event.action,
            "outcome": event.outcome,
            "subject": printable(event.subject),
            "details": json.dumps(details, ensure_ascii=False, sort_keys=True),
            "ip_address": origin.ip_address[:64],
            "request_id": origin.request_id[:64],
        }
    )
