"""Sessions and API tokens. Only hashes of the secrets are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Row, delete, insert, select, update

from app.domain.people import Scope
from app.store.rows import Repository
from app.store.tables import api_tokens, sessions


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
    """`scopes` None: whatever the owner may."""

    id: str
    user_id: int
    secret_hash: str
    name: str
    scopes: frozenset[Scope] | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class Sessions(Repository):
    def add(self, values: Mapping[str, Any]) -> None:
        self._connection.execute(insert(sessions).values(**values))

    def by_hash(self, token_hash: str) -> SessionRow | None:
        row = self._connection.execute(select(sessions).where(sessions.c.token_hash == token_hash)).one_or_none()
        return None if row is None else _session(row)

    def exists(self, session_id: int) -> bool:
        return self._connection.scalar(select(sessions.c.id).where(sessions.c.id == session_id)) is not None

    def seen(self, session_id: int, at: datetime) -> None:
        self._connection.execute(update(sessions).where(sessions.c.id == session_id).values(last_seen_at=at))

    def end(self, session_id: int) -> None:
        self._connection.execute(delete(sessions).where(sessions.c.id == session_id))

    def end_of_user(self, user_id: int, *, but: int | None = None) -> None:
        statement = delete(sessions).where(sessions.c.user_id == user_id)
        if but is not None:
            statement = statement.where(sessions.c.id != but)
        self._connection.execute(statement)

    def purge(self, expired_before: datetime) -> None:
        self._connection.execute(delete(sessions).where(sessions.c.expires_at < expired_before))


class ApiTokens(Repository):
    def add(self, values: Mapping[str, Any], scopes: frozenset[Scope] | None) -> None:
        written = None if scopes is None else " ".join(sorted(scopes))
        self._connection.execute(insert(api_tokens).values(scopes=written, **values))

    def get(self, token_id: str) -> TokenRow | None:
        row = self._connection.execute(select(api_tokens).where(api_tokens.c.id == token_id)).one_or_none()
        return None if row is None else _token(row)

    def of_user(self, user_id: int) -> tuple[TokenRow, ...]:
        query = select(api_tokens).where(api_tokens.c.user_id == user_id).order_by(api_tokens.c.created_at.desc())
        return tuple(_token(row) for row in self._connection.execute(query))

    def used(self, token_id: str, at: datetime) -> None:
        self._connection.execute(update(api_tokens).where(api_tokens.c.id == token_id).values(last_used_at=at))

    def revoke(self, token_id: str, at: datetime) -> bool:
        """Whether the token was alive."""
        alive = (api_tokens.c.id == token_id) & api_tokens.c.revoked_at.is_(None)
        result: CursorResult[Any] = self._connection.execute(update(api_tokens).where(alive).values(revoked_at=at))
        return result.rowcount == 1

    def revoke_of_user(self, user_id: int, at: datetime) -> None:
        alive = (api_tokens.c.user_id == user_id) & api_tokens.c.revoked_at.is_(None)
        self._connection.execute(update(api_tokens).where(alive).values(revoked_at=at))


def _session(row: Row[Any]) -> SessionRow:
    return SessionRow(**{field: getattr(row, field) for field in SessionRow.__dataclass_fields__})


def _token(row: Row[Any]) -> TokenRow:
    values = {field: getattr(row, field) for field in TokenRow.__dataclass_fields__}
    values["scopes"] = None if row.scopes is None else frozenset(Scope(part) for part in row.scopes.split())
    return TokenRow(**values)
