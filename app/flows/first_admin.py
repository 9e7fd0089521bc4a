"""The first start: roles, and an administrator whose password nobody could guess."""

from collections.abc import Sequence

from app.audit.events import UserCreated
from app.auth.passwords import hash_password, parse_password, random_password
from app.domain.people import Role, RoleLimits, parse_username
from app.flows.studio import Studio
from app.store.transaction import Transaction


def seed(studio: Studio, roles: Sequence[RoleLimits], username: str, password: str | None) -> str | None:
    """Make the roles, and the administrator if nobody exists. The random password, if one had to be made.

    Raises InvalidRequestError when the given name or password is not acceptable.
    """
    studio.store.write(lambda tx: _make_roles(tx, roles))
    if studio.store.read(lambda tx: tx.users.count()):
        return None
    name = parse_username(username)
    made = random_password() if password is None else None
    password_hash = hash_password(made or parse_password(password, name))

    def work(tx: Transaction) -> bool:
        # Several servers may start at once on a fresh database.
        tx.service.take_turns()
        if tx.users.count():
            return False
        if made is not None:
            # Before the account exists: a crash in between leaves a file that the next start replaces.
            studio.initial_password.keep(made)
        values = {
            "username": name,
            "display_name": name,
            "department": "",
            "role": Role.ADMIN.value,
            "quota_daily": None,
            "password_hash": password_hash,
            "must_change_password": made is not None,
            "created_at": studio.clock.now(),
        }
        tx.users.add(values)
        event = UserCreated(subject=name, role=Role.ADMIN, department="", quota_daily="default")
        studio.record(tx, event, None)
        return True

    return made if studio.store.write(work) else None


def _make_roles(tx: Transaction, roles: Sequence[RoleLimits]) -> None:
    tx.service.take_turns()
    tx.roles.seed(roles)
