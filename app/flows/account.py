"""One's own account: who I am, my quota, my password, my language."""

from dataclasses import dataclass

from app.audit.events import PasswordChanged, PasswordChangeFailed
from app.auth.passwords import hash_password, parse_password, verify_password
from app.auth.policy import Permission, permissions
from app.domain.errors import FieldError, InvalidRequestError, NotFoundError
from app.domain.people import Origin, Principal
from app.flows import login_waits
from app.flows.identify import require_standing
from app.flows.studio import Studio
from app.quota.ledger import Balance
from app.quota.service import balance
from app.quota.service import budget as department_budget
from app.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Me:
    """The account as its owner sees it; `budget` is the department's month, None where it has none."""

    actor: Principal
    permissions: tuple[str, ...]
    quota: Balance
    budget: Balance | None


def me(studio: Studio, actor: Principal) -> Me:
    day, month = studio.today(), studio.this_month()
    quota, budget = studio.store.read(
        lambda tx: (balance(tx, actor, day), department_budget(tx, actor.user.department, month))
    )
    return Me(actor, tuple(sorted(permissions(actor))), quota, budget)


def change_password(studio: Studio, actor: Principal, old: str, new: str, origin: Origin) -> None:
    """Change the own password; the other sessions end.

    Raises InvalidRequestError naming `old` or `new`, RateLimitedError after too many wrong tries.
    """
    studio.permit(actor, Permission.ACCOUNT_MANAGE, origin)
    key = f"change/{actor.user_id}"
    login_waits.attempt(studio, key)  # the account's own waits are enough: somebody has signed in
    account = studio.store.read(lambda tx: tx.users.get(actor.user_id))
    if account is None:
        raise NotFoundError
    if not verify_password(old, account.password_hash):
        event = PasswordChangeFailed(subject=actor.user.username)
        studio.store.write(lambda tx: studio.record(tx, event, actor, origin))
        raise InvalidRequestError([FieldError("old", "field.password-wrong")])
    studio.store.write(lambda tx: login_waits.succeeded(tx, key, studio))  # whatever the new one is worth
    password = parse_password(new, actor.user.username, "new", context=(actor.user.display_name, actor.user.department))
    if verify_password(password, account.password_hash):
        raise InvalidRequestError([FieldError("new", "field.password-same")])
    password_hash = hash_password(password)

    def work(tx: Transaction) -> None:
        require_standing(studio, tx, actor)
        tx.users.change(actor.user_id, {"password_hash": password_hash, "must_change_password": False})
        tx.sessions.end_of_user(actor.user_id, but=actor.session_id)
        tx.service.announce()
        studio.record(tx, PasswordChanged(subject=actor.user.username), actor, origin)

    studio.store.write(work)
    studio.initial_password.forget(lambda kept: verify_password(kept, account.password_hash))
    studio.identity_changed(actor.user_id)


def set_language(studio: Studio, actor: Principal, language: str, origin: Origin) -> None:
    """Remember the language; whoever calls knows that the catalogue has it."""
    studio.permit(actor, Permission.ACCOUNT_MANAGE, origin)
    studio.store.write(lambda tx: tx.users.change(actor.user_id, {"language": language}))
