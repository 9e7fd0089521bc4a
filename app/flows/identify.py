"""Who is behind a cookie or a token, as the account is now; and whether that still holds for what is open."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from app.audit.events import TokenFirstUsed, TokenRefused
from app.auth import tokens
from app.auth.sessions import Times, is_alive, secret_hash, worth_noting
from app.domain.errors import NotAuthenticatedError
from app.domain.people import Origin, Principal, Role
from app.flows.studio import CONSOLE_ID, Studio
from app.store.identity import SessionRow, TokenRow
from app.store.transaction import Transaction
from app.store.users import Account

STRAYED: Final = "strayed-tokens-told"


def who_has_session(studio: Studio, secret: str, *, is_use: bool = True) -> Principal | None:
    """The person behind a session cookie; None when the session has ended or the account is disabled.

    `is_use`: whether somebody did something, or a page that was left open asks by itself.
    """
    now = studio.clock.now()

    def work(tx: Transaction) -> tuple[Principal, SessionRow] | None:
        row = tx.sessions.by_hash(secret_hash(secret))
        actor = None if row is None else _principal(tx.users.get(row.user_id))
        if row is None or actor is None or not _is_alive(studio, row, actor, now):
            return None
        return replace(actor, session_id=row.id), row

    found = studio.store.read(work)
    if found is None:
        return None
    actor, row = found
    if is_use and worth_noting(now, row.last_seen_at):
        studio.store.write(lambda tx: tx.sessions.seen(row.id, row.last_seen_at, now))
    return actor


def who_has_token(studio: Studio, token: str, origin: Origin) -> Principal | None:
    """The owner of an API token, narrowed by its scopes.

    None when it is unknown, expired, revoked, or used from an address that is not on its list.
    """
    parts = tokens.parse(token)
    if parts is None:
        return None
    now = studio.clock.now()

    def work(tx: Transaction) -> tuple[Principal, TokenRow] | None:
        row = tx.tokens.get(parts.id)
        if row is None or not tokens.matches(parts, row.secret_hash) or not _is_valid(row, now):
            return None
        actor = _principal(tx.users.get(row.user_id))
        if actor is None:
            return None
        return replace(actor, token_id=row.id, scopes=row.scopes, token_quota=row.quota_daily), row

    found = studio.store.read(work)
    if found is None:
        return None
    actor, row = found
    if not tokens.may_come_from(row.addresses, origin.ip_address):
        if studio.rates.count(STRAYED, row.id, 1):
            event = TokenRefused(subject=actor.user.username, token_id=row.id)
            studio.store.write(lambda tx: studio.record(tx, event, actor, origin))
        return None
    if row.last_used_at is None or worth_noting(now, row.last_used_at):
        studio.store.write(lambda tx: _note_use(studio, tx, actor, row, origin))
    return actor


def role_now(studio: Studio, actor: Principal) -> Role | None:
    """The actor's present role, or None once the account, session or token that proved the actor has ended.

    Asked again while an answer waits or streams.
    """
    return studio.store.read(lambda tx: role_in(studio, tx, actor))


def still_stands(studio: Studio, actor: Principal) -> bool:
    """Whether what proved the actor is still worth the same."""
    return role_now(studio, actor) is actor.user.role


def require_standing(studio: Studio, tx: Transaction, actor: Principal) -> None:
    """Lock the actor's account; raises NotAuthenticatedError if what proved the actor ended before this transaction.

    For what outlives a session: a new password, a new token. The console needs no proof.
    """
    if actor.user_id == CONSOLE_ID:
        return
    if role_in(studio, tx, actor, lock=True) is None:
        raise NotAuthenticatedError


def times_of(row: SessionRow) -> Times:
    return Times(created=row.created_at, last_seen=row.last_seen_at, expires=row.expires_at)


def role_in(studio: Studio, tx: Transaction, actor: Principal, *, lock: bool = False) -> Role | None:
    """As `role_now`, in a transaction that is open; `lock` locks the account."""
    now, current = studio.clock.now(), _principal(tx.users.get(actor.user_id, lock=lock))
    if current is None:
        return None
    if actor.token_id is not None:
        token = tx.tokens.get(actor.token_id)
        return current.user.role if token is not None and _is_valid(token, now) else None
    session = None if actor.session_id is None else tx.sessions.get(actor.session_id)
    return current.user.role if session and _is_alive(studio, session, current, now) else None


def _principal(account: Account | None) -> Principal | None:
    if account is None or account.user.disabled_at is not None:
        return None
    return Principal(user=account.user, limits=account.limits)


def _is_alive(studio: Studio, row: SessionRow, actor: Principal, now: datetime) -> bool:
    return is_alive(now, times_of(row), studio.lifetimes[actor.user.role])


def _is_valid(row: TokenRow, now: datetime) -> bool:
    return row.revoked_at is None and now < row.expires_at


def _note_use(studio: Studio, tx: Transaction, actor: Principal, row: TokenRow, origin: Origin) -> None:
    if tx.tokens.used(row.id, row.last_used_at, studio.clock.now()) and row.last_used_at is None:
        studio.record(tx, TokenFirstUsed(subject=actor.user.username, token_id=row.id), actor, origin)
