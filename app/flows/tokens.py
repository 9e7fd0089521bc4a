"""API tokens: made, listed, revoked; one's own, or anybody's for administrators."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from app.audit.events import TokenCreated, TokenRevoked
from app.auth import tokens
from app.auth.policy import Permission
from app.domain.errors import FieldError, InvalidRequestError, NotFoundError, printable
from app.domain.people import USERNAME, Origin, Principal, Scope, parse_label
from app.flows.studio import Studio
from app.store.identity import TokenRow
from app.store.transaction import Transaction

ANYBODYS: Final = Permission.USER_MANAGE


def create_token(  # noqa: PLR0913 - who for whom, and the token's own fields
    studio: Studio,
    actor: Principal,
    username: str,
    *,
    name: str,
    scopes: Sequence[str] = (),
    expires_days: int = tokens.DEFAULT_DAYS,
    origin: Origin,
) -> str:
    """The token, shown this once. Without scopes it may do what its owner may.

    Raises InvalidRequestError or NotFoundError.
    """
    studio.permit(actor, Permission.ACCOUNT_MANAGE, origin, username[:64])
    label = parse_label(name, "name")
    if not label:
        raise InvalidRequestError([FieldError("name", "field.required")])
    narrowed = _parse_scopes(scopes)
    if not 1 <= expires_days <= tokens.MAX_DAYS:
        raise InvalidRequestError([FieldError("expires_days", "field.range", {"min": 1, "max": tokens.MAX_DAYS})])
    owner_id = _owner(studio, actor, username, origin)
    token, parts = tokens.mint()
    now = studio.clock.now()
    values = {
        "id": parts.id,
        "secret_hash": tokens.hash_of(parts),
        "user_id": owner_id,
        "name": label,
        "created_at": now,
        "expires_at": now + timedelta(days=expires_days),
    }
    shown = "" if narrowed is None else " ".join(sorted(narrowed))
    event = TokenCreated(subject=username, name=label, scopes=shown, expires_days=expires_days)

    def work(tx: Transaction) -> None:
        tx.tokens.add(values, narrowed)
        studio.record(tx, event, actor, origin)

    studio.store.write(work)
    return token


def list_tokens(studio: Studio, actor: Principal, username: str, origin: Origin) -> tuple[TokenRow, ...]:
    """Newest first. The rows hold no secret, only its hash."""
    studio.permit(actor, Permission.ACCOUNT_MANAGE, origin, username[:64])
    owner_id = _owner(studio, actor, username, origin)
    return studio.store.read(lambda tx: tx.tokens.of_user(owner_id))


def revoke_token(studio: Studio, actor: Principal, token_id: str, origin: Origin) -> None:
    """Raises NotFoundError for a token that is not alive, or somebody else's."""
    studio.permit(actor, Permission.ACCOUNT_MANAGE, origin, token_id[:12])
    row = studio.store.read(lambda tx: tx.tokens.get(token_id)) if token_id.isalnum() else None
    if row is None:
        raise NotFoundError
    studio.permit_object(actor, row.user_id, ANYBODYS, origin, token_id)

    def work(tx: Transaction) -> None:
        if not tx.tokens.revoke(token_id, studio.clock.now()):
            raise NotFoundError
        tx.service.announce()
        owner = tx.users.get(row.user_id)
        subject = "" if owner is None else owner.user.username
        studio.record(tx, TokenRevoked(subject=subject, token_id=token_id), actor, origin)

    studio.store.write(work)


def _owner(studio: Studio, actor: Principal, username: str, origin: Origin) -> int:
    account = studio.store.read(lambda tx: tx.users.by_name(username)) if USERNAME.fullmatch(username) else None
    if account is None:
        raise NotFoundError("error.no-such-user", username=printable(username))
    studio.permit_object(actor, account.user.id, ANYBODYS, origin, username)
    return account.user.id


def _parse_scopes(scopes: Sequence[str]) -> frozenset[Scope] | None:
    if not scopes:
        return None
    if set(scopes) - {scope.value for scope in Scope}:
        raise InvalidRequestError([FieldError("scopes", "field.scope", {"scopes": ", ".join(Scope)})])
    return frozenset(Scope(scope) for scope in scopes)
