"""Signing in and out with a password."""

from typing import Final

from app.audit.events import Event, LoggedIn, LoggedOut, LoginFailed, LoginThrottled
from app.auth.passwords import hash_password, needs_rehash, spend_the_time, verify_password
from app.auth.sessions import new_secret, secret_hash
from app.auth.throttle import account_key
from app.domain.errors import SignInFailedError
from app.domain.people import USERNAME, Origin, Principal, fold_username
from app.flows import login_waits
from app.flows.studio import Studio
from app.store.transaction import Transaction
from app.store.users import Account

MAX_AGENT: Final = 256
MOST_SESSIONS: Final = 500


def sign_in(studio: Studio, username: str, password: str, origin: Origin, *, replaced: Principal | None = None) -> str:
    """The secret of a new session; the one that `replaced` had in this browser ends.

    Raises SignInFailedError, always the same, or RateLimitedError.
    """
    name = fold_username(username)
    key = account_key(name)
    account = studio.store.read(lambda tx: tx.users.by_name(name)) if USERNAME.fullmatch(name) else None
    # People type their password into this field by mistake: only the name of an account reaches the trail.
    shown = "" if account is None else account.user.username
    try:
        login_waits.require_from(studio, origin)
        login_waits.attempt(studio, key)
    except login_waits.TooSoonError as error:
        if login_waits.is_news(studio, error):
            _note(studio, LoginThrottled(subject=shown, retry_after=error.retry_after), origin)
        raise
    reason = _reason_to_refuse(account, password)
    if account is None or reason:
        login_waits.failed(studio, origin)
        _note(studio, LoginFailed(subject=shown, reason=reason), origin)
        raise SignInFailedError
    rehashed = hash_password(password) if needs_rehash(account.password_hash) else None
    secret = new_secret()

    def work(tx: Transaction) -> None:
        _open_session(studio, tx, account, rehashed, secret, origin)
        tx.sessions.keep_newest(account.user.id, MOST_SESSIONS)
        if replaced is not None and replaced.session_id is not None:
            tx.sessions.end(replaced.session_id)
            tx.service.announce()

    studio.store.write(work)
    if replaced is not None:
        studio.identity_changed(replaced.user_id)
    return secret


def sign_out(studio: Studio, actor: Principal, origin: Origin) -> None:
    """End the session; its cookie is worth nothing from now on. A token has none to end."""
    if actor.session_id is None:
        return
    session_id = actor.session_id

    def work(tx: Transaction) -> None:
        if not tx.sessions.end(session_id):
            return
        tx.service.announce()
        studio.record(tx, LoggedOut(subject=actor.user.username), actor, origin)

    studio.store.write(work)
    studio.identity_changed(actor.user_id)


def _reason_to_refuse(account: Account | None, password: str) -> str:
    if account is None:
        spend_the_time(password)
        return "unknown"
    if not verify_password(password, account.password_hash):
        return "password"
    return "disabled" if account.user.disabled_at is not None else ""


def _open_session(
    studio: Studio, tx: Transaction, account: Account, rehashed: str | None, secret: str, origin: Origin
) -> None:
    """The account may have changed while the password was checked: it is read again, and locked."""
    now, current = studio.clock.now(), tx.users.get(account.user.id, lock=True)
    if current is None or current.user.disabled_at is not None or current.password_hash != account.password_hash:
        raise SignInFailedError
    if rehashed is not None:
        tx.users.change(account.user.id, {"password_hash": rehashed})
    lifetime = studio.lifetimes[current.user.role]
    login_waits.succeeded(tx, account_key(current.user.username), studio)
    tx.sessions.purge(now)
    tx.sessions.add(
        {
            "token_hash": secret_hash(secret),
            "user_id": account.user.id,
            "created_at": now,
            "last_seen_at": now,
            "expires_at": now + lifetime.absolute,
            "ip_address": origin.ip_address[:64],
            "user_agent": origin.user_agent[:MAX_AGENT],
        }
    )
    actor = Principal(user=current.user, limits=current.limits)
    studio.record(tx, LoggedIn(subject=account.user.username), actor, origin)


def _note(studio: Studio, event: Event, origin: Origin) -> None:
    studio.store.write(lambda tx: studio.record(tx, event, None, origin))
