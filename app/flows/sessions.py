"""Where somebody is signed in, and ending it: one's own, or anybody's for administrators."""

from typing import Final

from app.audit.events import SessionsEnded
from app.auth.policy import Permission
from app.auth.sessions import is_alive
from app.domain.errors import NotFoundError
from app.domain.people import Origin, Principal
from app.flows.identify import times_of
from app.flows.studio import Studio
from app.flows.users import existing
from app.store.identity import SessionRow
from app.store.transaction import Transaction

__all__ = ["SessionRow", "end_own_sessions", "end_session", "end_sessions_of", "list_sessions"]

LONGEST_ID: Final = 18


def list_sessions(studio: Studio, actor: Principal, origin: Origin) -> tuple[SessionRow, ...]:
    """One's own that are alive; the one that was used last comes first."""
    studio.permit(actor, Permission.CREDENTIAL_MANAGE, origin)
    now, lifetime = studio.clock.now(), studio.lifetimes[actor.user.role]
    rows = studio.store.read(lambda tx: tx.sessions.of_user(actor.user_id))
    return tuple(row for row in rows if is_alive(now, times_of(row), lifetime))


def end_session(studio: Studio, actor: Principal, session_id: str, origin: Origin) -> None:
    """End one of one's own sessions, also the one that asks. Raises NotFoundError for any other."""
    studio.permit(actor, Permission.CREDENTIAL_MANAGE, origin)
    number = int(session_id) if session_id.isascii() and session_id.isdecimal() and len(session_id) < LONGEST_ID else 0

    def work(tx: Transaction) -> None:
        row = tx.sessions.get(number)
        if row is None or row.user_id != actor.user_id or not tx.sessions.end(row.id):
            raise NotFoundError
        tx.service.announce()
        studio.record(tx, SessionsEnded(subject=actor.user.username, count=1, why="one"), actor, origin)

    studio.store.write(work)
    studio.identity_changed(actor.user_id)


def end_own_sessions(studio: Studio, actor: Principal, origin: Origin, *, others_only: bool) -> int:
    """End one's own sessions, all or all but the one that asks; how many ended."""
    studio.permit(actor, Permission.CREDENTIAL_MANAGE, origin)

    def work(tx: Transaction) -> int:
        ended = tx.sessions.end_of_user(actor.user_id, but=actor.session_id if others_only else None)
        if ended:
            tx.service.announce()
            why = "others" if others_only else "all"
            studio.record(tx, SessionsEnded(subject=actor.user.username, count=ended, why=why), actor, origin)
        return ended

    ended = studio.store.write(work)
    studio.identity_changed(actor.user_id)
    return ended


def end_sessions_of(studio: Studio, actor: Principal, username: str, origin: Origin) -> int:
    """End all sessions of that user; how many ended. Raises NotFoundError."""
    studio.permit(actor, Permission.USER_MANAGE, origin, username[:64])

    def work(tx: Transaction) -> tuple[int, int]:
        user = existing(tx, username).user
        ended = tx.sessions.end_of_user(user.id)
        tx.service.announce()
        studio.record(tx, SessionsEnded(subject=user.username, count=ended, why="administrator"), actor, origin)
        return user.id, ended

    user_id, ended = studio.store.write(work)
    studio.identity_changed(user_id)
    return ended
