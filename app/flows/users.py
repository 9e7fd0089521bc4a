"""What administrators do with accounts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.audit.events import PasswordReset, UserChanged, UserCreated, UserDisabled, UserEnabled
from app.auth.passwords import hash_password, parse_password, random_password, verify_password
from app.auth.policy import Permission
from app.domain.errors import ConflictError, FieldError, InvalidRequestError, NotFoundError, printable
from app.domain.jobs import Job
from app.domain.people import (
    USERNAME,
    Origin,
    Principal,
    Role,
    User,
    parse_label,
    parse_quota,
    parse_role,
    parse_username,
    quota_text,
)
from app.flows.cancel import end_jobs_of, stop_working
from app.flows.jobs import require_limit
from app.flows.studio import Studio
from app.scheduler.queue import set_turns_anew
from app.store.rows import Page
from app.store.transaction import Transaction
from app.store.users import Account

CREATE_FIELDS: Final = frozenset(
    {"username", "password", "role", "department", "display_name", "quota_daily", "must_change"}
)
CHANGE_FIELDS: Final = frozenset({"role", "department", "display_name", "quota_daily", "disabled"})


@dataclass(frozen=True, slots=True)
class NewPassword:
    """An account, and the password to hand over once; None if the administrator chose it."""

    user: User
    password: str | None


def list_users(studio: Studio, actor: Principal, origin: Origin) -> tuple[User, ...]:
    studio.permit(actor, Permission.USER_MANAGE, origin)
    return studio.store.read(lambda tx: tx.users.all())


def page_users(studio: Studio, actor: Principal, *, cursor: str | None, limit: int, origin: Origin) -> Page[User]:
    """The same page by page, in the order in which they were made."""
    studio.permit(actor, Permission.USER_MANAGE, origin)
    require_limit(limit)
    return studio.store.read(lambda tx: tx.users.list(cursor, limit))


def create_user(studio: Studio, actor: Principal, body: Mapping[str, object], origin: Origin) -> NewPassword:
    """Make an account out of the fields of CREATE_FIELDS. Without a password a random one is made, to be changed.

    Raises InvalidRequestError or ConflictError.
    """
    studio.permit(actor, Permission.USER_MANAGE, origin, str(body.get("username", ""))[:64])
    values, given = _parse_new(body)
    password = random_password() if given is None else given
    values["password_hash"] = hash_password(password)
    values["created_at"] = studio.clock.now()

    def work(tx: Transaction) -> User:
        user = tx.users.add(values)
        event = UserCreated(
            subject=user.username, role=user.role, department=user.department, quota_daily=quota_text(user.quota_daily)
        )
        studio.record(tx, event, actor, origin)
        return user

    return NewPassword(studio.store.write(work), password if given is None else None)


def create_user_with_password(studio: Studio, actor: Principal, body: Mapping[str, object], origin: Origin) -> User:
    """The same for the API, which never hands out a password: the body must bring one."""
    if body.get("password") is None:
        studio.permit(actor, Permission.USER_MANAGE, origin)
        raise InvalidRequestError([FieldError("password", "field.required")])
    return create_user(studio, actor, body, origin).user


def change_user(
    studio: Studio, actor: Principal, username: str, body: Mapping[str, object], origin: Origin, *, reason: str = ""
) -> User:
    """Change the fields of CHANGE_FIELDS that are given. Somebody who may no longer generate loses what waits.

    Raises InvalidRequestError, NotFoundError, or ConflictError for the last administrator.
    """
    studio.permit(actor, Permission.USER_MANAGE, origin, username[:64])
    changes = _parse_changes(body)
    disabled = changes.pop("disabled", None)
    reason = parse_label(reason, "reason")

    def work(tx: Transaction) -> tuple[User, list[Job]]:
        before = existing(tx, username).user
        _keep_an_admin(tx, before, changes.get("role", before.role), disabled)
        if changes:
            tx.users.change(before.id, changes)
        if (event := _set_disabled(studio, tx, before, reason, disabled=disabled)) is not None:
            studio.record(tx, event, actor, origin)
        account = existing(tx, username)
        after = account.user
        shown = {field: (_shown(before, field), _shown(after, field)) for field in changes}
        told = {field: f"{old} -> {new}" for field, (old, new) in shown.items() if old != new}
        if told:
            studio.record(tx, UserChanged(subject=username, changes=told), actor, origin)
        ended = end_jobs_of(studio, tx, after, actor)
        if before.role is not after.role:
            set_turns_anew(tx, after.id, account.limits.weight)
        tx.service.announce()
        return after, ended

    user, ended = studio.store.write(work)
    stop_working(studio, ended)
    studio.identity_changed(user.id)
    if user.disabled_at is not None:
        studio.results.forget_person(user.id)
    return user


def reset_password(
    studio: Studio,
    actor: Principal,
    username: str,
    password: object | None,
    origin: Origin,
    *,
    must_change: bool = True,
) -> NewPassword:
    """Set a new password; the user's sessions and tokens end. Raises NotFoundError or InvalidRequestError."""
    studio.permit(actor, Permission.USER_MANAGE, origin, username[:64])
    known = studio.store.read(lambda tx: existing(tx, username)).user
    words = (known.display_name, known.department)
    chosen = random_password() if password is None else parse_password(password, username, context=words)
    password_hash = hash_password(chosen)

    def work(tx: Transaction) -> tuple[User, str]:
        user, old_hash = existing(tx, username).user, existing(tx, username).password_hash
        tx.users.change(user.id, {"password_hash": password_hash, "must_change_password": must_change})
        tx.sessions.end_of_user(user.id)
        tx.tokens.revoke_of_user(user.id, studio.clock.now())
        tx.service.announce()
        studio.record(tx, PasswordReset(subject=username), actor, origin)
        return existing(tx, username).user, old_hash

    user, old_hash = studio.store.write(work)
    studio.initial_password.forget(lambda kept: verify_password(kept, old_hash))
    studio.identity_changed(user.id)
    return NewPassword(user, chosen if password is None else None)


def existing(tx: Transaction, username: str, *, lock: bool = True) -> Account:
    """The account. Raises NotFoundError."""
    account = tx.users.by_name(username, lock=lock) if USERNAME.fullmatch(username) else None
    if account is None:
        raise NotFoundError("error.no-such-user", username=printable(username))
    return account


def _parse_new(body: Mapping[str, object]) -> tuple[dict[str, Any], str | None]:
    _refuse_unknown(body, CREATE_FIELDS)
    for field in ("username", "role"):
        if field not in body:
            raise InvalidRequestError([FieldError(field, "field.required")])
    username = parse_username(body["username"])
    display_name = _label(body, "display_name") or username
    department = _label(body, "department")
    given = body.get("password")
    words = (display_name, department)
    password = None if given is None else parse_password(given, username, context=words)
    must_change = body.get("must_change", password is None)
    if not isinstance(must_change, bool):
        raise InvalidRequestError([FieldError("must_change", "field.boolean")])
    values = {
        "username": username,
        "display_name": display_name,
        "department": department,
        "role": parse_role(body["role"]).value,
        "quota_daily": parse_quota(body.get("quota_daily", "default")),
        "must_change_password": must_change or password is None,
    }
    return values, password


def _label(body: Mapping[str, object], field: str) -> str:
    """What is not given, or null, is empty; what is no text is refused."""
    return "" if body.get(field) is None else parse_label(body[field], field)


def _parse_changes(body: Mapping[str, object]) -> dict[str, Any]:
    _refuse_unknown(body, CHANGE_FIELDS)
    changes: dict[str, Any] = {}
    for field in ("department", "display_name"):
        if field in body:
            changes[field] = parse_label(body[field], field)
    if "role" in body:
        changes["role"] = parse_role(body["role"]).value
    if "quota_daily" in body:
        changes["quota_daily"] = parse_quota(body["quota_daily"])
    if "disabled" in body:
        if not isinstance(body["disabled"], bool):
            raise InvalidRequestError([FieldError("disabled", "field.boolean")])
        changes["disabled"] = body["disabled"]
    return changes


def _refuse_unknown(body: Mapping[str, object], known: frozenset[str]) -> None:
    if unknown := sorted(set(body) - known):
        raise InvalidRequestError([FieldError(printable(name), "field.unknown") for name in unknown])


def _keep_an_admin(tx: Transaction, before: User, role: str, disabled: object) -> None:
    """Refuse to demote or disable the last administrator who could sign in."""
    stays = role == Role.ADMIN and disabled is not True
    if before.role is Role.ADMIN and before.disabled_at is None and not stays and tx.users.active_admins() <= 1:
        raise ConflictError("error.last-admin")


def _set_disabled(
    studio: Studio, tx: Transaction, user: User, reason: str, *, disabled: bool | None
) -> UserDisabled | UserEnabled | None:
    """Disable or enable; None leaves it. What the trail must say, if anything happened."""
    if disabled is None or disabled == (user.disabled_at is not None):
        return None
    if disabled:
        tx.users.change(user.id, {"disabled_at": studio.clock.now(), "disabled_reason": reason})
        tx.sessions.end_of_user(user.id)
        return UserDisabled(subject=user.username, reason=reason)
    tx.users.change(user.id, {"disabled_at": None, "disabled_reason": None})
    return UserEnabled(subject=user.username)


def _shown(user: User, field: str) -> str:
    return str(quota_text(user.quota_daily) if field == "quota_daily" else getattr(user, field))
