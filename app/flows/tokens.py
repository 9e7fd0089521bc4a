"""API tokens: made, listed, revoked; one's own, or anybody's for administrators."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.audit.events import TokenCreated, TokenRevoked
from app.auth import tokens
from app.auth.policy import Permission
from app.domain.errors import ConflictError, FieldError, InvalidRequestError, NotFoundError, printable
from app.domain.people import MAX_QUOTA, USERNAME, Origin, Principal, Scope, parse_label
from app.flows.identify import require_standing
from app.flows.studio import Studio
from app.store.identity import TokenRow
from app.store.transaction import Transaction

__all__ = ["NewToken", "TokenRow", "create_token", "list_tokens", "revoke_token"]

ANYBODYS: Final = Permission.USER_MANAGE
FIELDS: Final = frozenset({"name", "scopes", "expires_days", "addresses", "quota_daily"})


@dataclass(frozen=True, slots=True)
class NewToken:
    """The token itself, shown this once, and what is kept of it."""

    token: str
    row: TokenRow


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    name: str
    scopes: frozenset[Scope] | None
    expires_days: int
    addresses: tuple[str, ...]
    quota_daily: int | None


def create_token(
    studio: Studio, actor: Principal, username: str, body: Mapping[str, object], origin: Origin
) -> NewToken:
    """Make a token out of FIELDS, of which only `name` is needed: `scopes` (a list, or None: whatever the owner may),
    `expires_days`, `addresses` (networks it may come from), `quota_daily` (pictures a day of the owner's).

    Raises InvalidRequestError or NotFoundError.
    """
    studio.permit(actor, Permission.CREDENTIAL_MANAGE, origin, username[:64])
    wanted = _parse(body)
    owner_id = _owner(studio, actor, username, origin)
    token, parts = tokens.mint()
    now = studio.clock.now()
    values = {
        "id": parts.id,
        "secret_hash": tokens.hash_of(parts),
        "user_id": owner_id,
        "name": wanted.name,
        "quota_daily": wanted.quota_daily,
        "created_at": now,
        "expires_at": now + timedelta(days=wanted.expires_days),
    }
    event = TokenCreated(
        subject=username,
        token_id=parts.id,
        name=wanted.name,
        scopes=" ".join(sorted(wanted.scopes or ())),
        expires_days=wanted.expires_days,
        addresses=" ".join(wanted.addresses),
        quota_daily=wanted.quota_daily,
    )

    def work(tx: Transaction) -> TokenRow:
        require_standing(studio, tx, actor)
        tx.users.get(owner_id, lock=True)
        tx.tokens.purge(owner_id, now - tokens.KEPT_AFTER_THE_END)
        if tx.tokens.alive(owner_id, now) >= tokens.MOST_ALIVE:
            raise ConflictError("error.too-many-tokens", most=tokens.MOST_ALIVE)
        row = tx.tokens.add(values, wanted.scopes, wanted.addresses)
        studio.record(tx, event, actor, origin)
        return row

    return NewToken(token, studio.store.write(work))


def list_tokens(studio: Studio, actor: Principal, username: str, origin: Origin) -> tuple[TokenRow, ...]:
    """Newest first. The rows hold no secret, only its hash."""
    studio.permit(actor, Permission.CREDENTIAL_MANAGE, origin, username[:64])
    owner_id = _owner(studio, actor, username, origin)
    return studio.store.read(lambda tx: tx.tokens.of_user(owner_id))


def revoke_token(studio: Studio, actor: Principal, token_id: str, origin: Origin) -> None:
    """Raises NotFoundError for a token that is not alive, or somebody else's."""
    studio.permit(actor, Permission.CREDENTIAL_MANAGE, origin, token_id[:12])
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
    studio.identity_changed(row.user_id)


def _owner(studio: Studio, actor: Principal, username: str, origin: Origin) -> int:
    account = studio.store.read(lambda tx: tx.users.by_name(username)) if USERNAME.fullmatch(username) else None
    if account is None:
        raise NotFoundError("error.no-such-user", username=printable(username))
    studio.permit_object(actor, account.user.id, ANYBODYS, origin, username)
    return account.user.id


def _parse(body: Mapping[str, object]) -> _Wanted:
    if unknown := sorted(set(body) - FIELDS):
        raise InvalidRequestError([FieldError(printable(name), "field.unknown") for name in unknown])
    name = parse_label(body.get("name"), "name")
    if not name:
        raise InvalidRequestError([FieldError("name", "field.required")])
    return _Wanted(
        name=name,
        scopes=_parse_scopes(body.get("scopes")),
        expires_days=_number(body.get("expires_days", tokens.DEFAULT_DAYS), "expires_days", tokens.MAX_DAYS, least=1),
        addresses=_parse_addresses(body.get("addresses")),
        quota_daily=None if body.get("quota_daily") is None else _number(body["quota_daily"], "quota_daily", MAX_QUOTA),
    )


def _parse_scopes(value: object) -> frozenset[Scope] | None:
    """None: whatever the owner may. An empty list is no choice, and must not be read as all."""
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value or set(map(str, value)) - {scope.value for scope in Scope}:
        raise InvalidRequestError([FieldError("scopes", "field.scope", {"scopes": ", ".join(Scope)})])
    return frozenset(Scope(str(scope)) for scope in value)


def _parse_addresses(value: object) -> tuple[str, ...]:
    given = value or ()
    try:
        if not isinstance(given, list | tuple) or len(given) > tokens.MAX_NETWORKS:
            raise ValueError  # noqa: TRY301 - one refusal for all kinds of nonsense
        return tuple(dict.fromkeys(tokens.parse_network(str(each)) for each in given))
    except ValueError:
        raise InvalidRequestError([FieldError("addresses", "field.addresses", {"max": tokens.MAX_NETWORKS})]) from None


def _number(value: object, field: str, most: int, *, least: int = 0) -> int:
    """A whole number; digits as text are one, as forms and the command line have them."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,7}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidRequestError([FieldError(field, "field.range", {"min": least, "max": most})])
    return value
