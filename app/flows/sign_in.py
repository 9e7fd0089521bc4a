"""Who is there: signing in and out, and finding the person behind a cookie or a token."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from app.audit.events import Event, LoggedIn, LoggedOut, LoginFailed, LoginThrottled
from app.auth import tokens
from app.auth.passwords import hash_password, needs_rehash, spend_the_time, verify_password
from app.auth.sessions import is_alive, new_secret, secret_hash, worth_noting
from app.domain.errors import RateLimitedError, SignInFailedError
from app.domain.people import USERNAME, Origin, Principal, fold_username
from app.flows.studio import Studio
from app.store.transaction import Transaction
from app.store.users import Account

MAX_AGENT: Final = 256


def sign_in(studio: Studio, username: str, password: str, origin: Origin) -> str:
    """The secret of a new session. Raises SignInFailedError, always the same, or RateLimitedError."""
    name, now = fold_username(username), studio.clock.now()
    key = secret_hash(name)
    account = studio.store.read(lambda tx: tx.users.by_name(name)) if USERNAME.fullmatch(name) else None
    # People type their password into this field by mistake: only the name of an account reaches the trail.
    shown = "" if account is None else account.user.username
    try:
        studio.throttle.attempt(key, origin.ip_address, now)
    except RateLimitedError as error:
        if studio.throttle.is_news(key):
            _note(studio, LoginThrottled(subject=shown, retry_after=error.retry_after), origin)
        raise
    reason = _reason_to_refuse(account, password)
    if account is None or reason:
        _note(studio, LoginFailed(subject=shown, reason=reason), origin)
        raise SignInFailedError
    studio.throttle.succeeded(key, origin.ip_address)
    rehashed = hash_password(password) if needs_rehash(account.password_hash) else None
    return studio.store.write(lambda tx: _open_session(studio, tx, account, rehashed, origin, now))


def sign_out(studio: Studio, actor: Principal, origin: Origin) -> None:
    """End the session; its cookie is worth nothing from now on."""

    def work(tx: Transaction) -> None:
        if actor.session_id is not None:
            tx.sessions.end(actor.session_id)
        studio.record(tx, LoggedOut(subject=actor.user.username), actor, origin)

    studio.store.write(work)
    studio.progress.changed(actor.user_id)


def who_has_session(studio: Studio, secret: str) -> Principal | None:
    """The person behind a session cookie, as the account is now; None when it has ended or is disabled."""
    now = studio.clock.now()

    def work(tx: Transaction) -> tuple[Principal, bool] | None:
        row = tx.sessions.by_hash(secret_hash(secret))
        if row is None:
            return None
        if not is_alive(now, last_seen=row.last_seen_at, expires=row.expires_at, lifetime=studio.lifetime):
            return None
        actor = _principal(tx.users.get(row.user_id))
        if actor is None:
            return None
        return replace(actor, session_id=row.id), worth_noting(now, row.last_seen_at)

    found = studio.store.read(work)
    if found is None:
        return None
    actor, note = found
    if note and actor.session_id is not None:
        session_id = actor.session_id
        studio.store.write(lambda tx: tx.sessions.seen(session_id, now))
    return actor


def who_has_token(studio: Studio, token: str) -> Principal | None:
    """The owner of an API token, narrowed by its scopes; None when it is unknown, expired or revoked."""
    parts = tokens.parse(token)
    if parts is None:
        return None
    now = studio.clock.now()

    def work(tx: Transaction) -> tuple[Principal, datetime | None] | None:
        row = tx.tokens.get(parts.id)
        if row is None or not tokens.matches(parts, row.secret_hash):
            return None
        if row.revoked_at is not None or now >= row.expires_at:
            return None
        actor = _principal(tx.users.get(row.user_id))
        if actor is None:
            return None
        return replace(actor, token_id=row.id, scopes=row.scopes), row.last_used_at

    found = studio.store.read(work)
    if found is None:
        return None
    actor, last_used = found
    if last_used is None or worth_noting(now, last_used):
        studio.store.write(lambda tx: tx.tokens.used(parts.id, now))
    return actor


def is_still_there(studio: Studio, actor: Principal) -> bool:
    """Whether the session or token that proved the actor still stands, asked again while an answer waits."""
    now = studio.clock.now()

    def work(tx: Transaction) -> bool:
        if _principal(tx.users.get(actor.user_id)) is None:
            return False
        if actor.token_id is not None:
            token = tx.tokens.get(actor.token_id)
            return token is not None and token.revoked_at is None and now < token.expires_at
        return actor.session_id is not None and tx.sessions.exists(actor.session_id)

    return studio.store.read(work)


def _principal(account: Account | None) -> Principal | None:
    if account is None or account.user.disabled_at is not None:
        return None
    return Principal(user=account.user, limits=account.limits)


def _reason_to_refuse(account: Account | None, password: str) -> str:
    if account is None:
        spend_the_time(password)
        return "unknown"
    if not verify_password(password, account.password_hash):
        return "password"
    return "disabled" if account.user.disabled_at is not None else ""


def _open_session(
    studio: Studio, tx: Transaction, account: Account, rehashed: str | None, origin: Origin, now: datetime
) -> str:
    if rehashed is not None:
        tx.users.change(account.user.id, {"password_hash": rehashed})
    secret = new_secret()
    tx.sessions.purge(now)
    tx.sessions.add(
        {
            "token_hash": secret_hash(secret),
            "user_id": account.user.id,
            "created_at": now,
            "last_seen_at": now,
            "expires_at": now + studio.lifetime.absolute,
            "ip_address": origin.ip_address[:64],
            "user_agent": origin.user_agent[:MAX_AGENT],
        }
    )
    actor = Principal(user=account.user, limits=account.limits)
    studio.record(tx, LoggedIn(subject=account.user.username), actor, origin)
    return secret


def _note(studio: Studio, event: Event, origin: Origin) -> None:
    studio.store.write(lambda tx: studio.record(tx, event, None, origin))
