"""Sessions, API tokens and failed logins. Only hashes of the secrets are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CursorResult, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.domain.people import Scope
from app.store.rows import Repository
from app.store.tables import api_tokens, login_failures, sessions

MOST_SHOWN: Final = 500
# Every request asks one of these, and building it would take longer than finding.
_SESSION_BY_HASH: Final = select(sessions).where(sessions.c.token_hash == bindparam("hash"))
_SESSION_BY_ID: Final = select(sessions).where(sessions.c.id == bindparam("number"))
_TOKEN_BY_ID: Final = select(api_tokens).where(api_tokens.c.id == bindparam("number"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailuresRow:
    """Wrong passwords in a row for one account."""

    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    id: int
    user_id: int
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ip_address: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """`scopes` None: whatever the owner may. `addresses`: networks; empty for any."""

    id: str
    user_id: int
    secret_hash: str
    name: str
    scopes: frozenset[Scope] | None
    addresses: tuple[str, ...]
    quota_daily: int | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class Sessions(Repository):
    def add(self, values: Mapping[str, Any]) -> None:
        self._connection.execute(insert(sessions).values(**values))

    def by_hash(self, token_hash: str) -> SessionRow | None:
        row = self._connection.execute(_SESSION_BY_HASH, {"hash": token_hash}).one_or_none()
        return None if row is None else _session(row)

    def get(self, session_id: int) -> SessionRow | None:
        row = self._connection.execute(_SESSION_BY_ID, {"number": session_id}).one_or_none()
        return None if row is None else _session(row)

    def of_user(self, user_id: int) -> tuple[SessionRow, ...]:
        """The one that was used last comes first."""
        query = select(sessions).where(sessions.c.user_id == user_id).order_by(sessions.c.last_seen_at.desc())
        return tuple(_session(row) for row in self._connection.execute(query.limit(MOST_SHOWN)))

    def seen(self, session_id: int, before: datetime, at: datetime) -> None:
        """Of many requests at once, one moves it on from `before`."""
        unmoved = (sessions.c.id == session_id) & (sessions.c.last_seen_at <= before)
        self._connection.execute(update(sessions).where(unmoved).values(last_seen_at=at))

    def end(self, session_id: int) -> bool:
        """Whether it was there."""
        result: CursorResult[Any] = self._connection.execute(delete(sessions).where(sessions.c.id == session_id))
        return result.rowcount == 1

    def end_of_user(self, user_id: int, *, but: int | None = None) -> int:
        """How many ended."""
        statement = delete(sessions).where(sessions.c.user_id == user_id)
        if but is not None:
            statement = statement.where(sessions.c.id != but)
        result: CursorResult[Any] = self._connection.execute(statement)
        return result.rowcount

    def keep_newest(self, user_id: int, most: int) -> None:
        """End all but those that were used last."""
        ours = select(sessions.c.id).where(sessions.c.user_id == user_id)
        # MariaDB cannot delete from what a subquery of the same statement reads.
        old = self._connection.scalars(ours.order_by(sessions.c.last_seen_at.desc(), sessions.c.id.desc())).all()[most:]
        if old:
            self._connection.execute(delete(sessions).where(sessions.c.id.in_(old)))

    def purge(self, expired_before: datetime) -> None:
        self._connection.execute(delete(sessions).where(sessions.c.expires_at < expired_before))


class ApiTokens(Repository):
    def add(self, values: Mapping[str, Any], scopes: frozenset[Scope] | None, addresses: Sequence[str]) -> TokenRow:
        written = None if scopes is None else " ".join(sorted(scopes))
        listed = " ".join(addresses) or None
        self._connection.execute(insert(api_tokens).values(scopes=written, addresses=listed, **values))
        return _token(self._connection.execute(select(api_tokens).where(api_tokens.c.id == values["id"])).one())

    def get(self, token_id: str) -> TokenRow | None:
        row = self._connection.execute(_TOKEN_BY_ID, {"number": token_id}).one_or_none()
        return None if row is None else _token(row)

    def of_user(self, user_id: int) -> tuple[TokenRow, ...]:
        """The newest first."""
        query = select(api_tokens).where(api_tokens.c.user_id == user_id).order_by(api_tokens.c.created_at.desc())
        return tuple(_token(row) for row in self._connection.execute(query))

    def alive(self, user_id: int, now: datetime) -> int:
        """How many of the user's tokens work."""
        ours = (api_tokens.c.user_id == user_id) & api_tokens.c.revoked_at.is_(None) & (api_tokens.c.expires_at > now)
        return self._connection.scalar(select(func.count()).select_from(api_tokens).where(ours)) or 0

    def purge(self, user_id: int, ended_before: datetime) -> None:
        """Forget what ended long ago; jobs keep the token's id."""
        ended = (api_tokens.c.revoked_at < ended_before) | (api_tokens.c.expires_at < ended_before)
        self._connection.execute(delete(api_tokens).where(api_tokens.c.user_id == user_id, ended))

    def used(self, token_id: str, before: datetime | None, at: datetime) -> bool:
        """Whether this call moved the last use on from `before`: of two at once, one does."""
        unmoved = api_tokens.c.last_used_at.is_(None) if before is None else api_tokens.c.last_used_at == before
        moved = update(api_tokens).where(api_tokens.c.id == token_id, unmoved).values(last_used_at=at)
        result: CursorResult[Any] = self._connection.execute(moved)
        return result.rowcount == 1

    def revoke(self, token_id: str, at: datetime) -> bool:
        """Whether the token was alive."""
        alive = (api_tokens.c.id == token_id) & api_tokens.c.revoked_at.is_(None)
        result: CursorResult[Any] = self._connection.execute(update(api_tokens).where(alive).values(revoked_at=at))
        return result.rowcount == 1

    def revoke_of_user(self, user_id: int, at: datetime) -> None:
        alive = (api_tokens.c.user_id == user_id) & api_tokens.c.revoked_at.is_(None)
        self._connection.execute(update(api_tokens).where(alive).values(revoked_at=at))


class LoginFailures(Repository):
    def get(self, account: str) -> FailuresRow | None:
        """Locks the row: two tries at once count one after the other."""
        query = select(login_failures).where(login_failures.c.account == account).with_for_update()
        row = self._connection.execute(query).one_or_none()
        # A row is a tuple, and a tuple has a method of this name.
        return None if row is None else FailuresRow(count=row._mapping["count"], last_at=row.last_at)  # noqa: SLF001

    def open(self, account: str, at: datetime) -> None:
        """Make sure that there is a row to lock."""
        if self._connection.scalar(select(login_failures.c.account).where(_of(account))) is None:
            try:
                with self._connection.begin_nested():
                    self._connection.execute(insert(login_failures).values(account=account, count=0, last_at=at))
            except IntegrityError:
                return  # somebody else did

    def set(self, account: str, count: int, at: datetime) -> None:
        self._connection.execute(update(login_failures).where(_of(account)).values(count=count, last_at=at))

    def forget(self, account: str) -> None:
        """The row stays: somebody may be waiting to lock it."""
        self._connection.execute(update(login_failures).where(_of(account)).values(count=0))

    def purge(self, before: datetime) -> None:
        self._connection.execute(delete(login_failures).where(login_failures.c.last_at < before))


def _of(account: str) -> Any:  # noqa: ANN401 - an SQL expression
    return login_failures.c.account == account


def _session(row: Row[Any]) -> SessionRow:
    return SessionRow(**{field: getattr(row, field) for field in SessionRow.__dataclass_fields__})


def _token(row: Row[Any]) -> TokenRow:
    values = {field: getattr(row, field) for field in TokenRow.__dataclass_fields__}
    values["scopes"] = None if row.scopes is None else frozenset(Scope(part) for part in row.scopes.split())
    values["addresses"] = tuple((row.addresses or "").split())
    return TokenRow(**values)
