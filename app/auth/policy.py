"""What each role may do, and the one function that asks."""

from enum import StrEnum
from typing import Final

from app.domain.errors import NotPermittedError
from app.domain.people import Principal, Role, Scope


class Permission(StrEnum):
    """Written `resource:action`."""

    EXAMPLE_READ = "example:read"
    ACCOUNT_MANAGE = "account:manage"
    # One's own sessions and tokens.
    CREDENTIAL_MANAGE = "credential:manage"
    JOB_CREATE = "job:create"
    JOB_READ = "job:read"
    JOB_CANCEL = "job:cancel"
    IMAGE_READ = "image:read"
    IMAGE_DELETE = "image:delete"
    IMAGE_READ_ANY = "image:read-any"
    JOB_CANCEL_ANY = "job:cancel-any"
    USER_MANAGE = "user:manage"
    # Roles, budgets of departments, and what is added to somebody's day.
    LIMITS_MANAGE = "limits:manage"
    QUEUE_MANAGE = "queue:manage"
    # Which model is loaded, or none.
    ENGINE_MANAGE = "engine:manage"
    AUDIT_READ = "audit:read"
    SERVICE_INSPECT = "service:inspect"


_GUEST: Final = frozenset({Permission.EXAMPLE_READ, Permission.ACCOUNT_MANAGE, Permission.CREDENTIAL_MANAGE})
_MEMBER: Final = _GUEST | {
    Permission.JOB_CREATE,
    Permission.JOB_READ,
    Permission.JOB_CANCEL,
    Permission.IMAGE_READ,
    Permission.IMAGE_DELETE,
}
GRANTS: Final = {Role.GUEST: _GUEST, Role.MEMBER: _MEMBER, Role.ADMIN: frozenset(Permission)}

_READ: Final = frozenset({Permission.EXAMPLE_READ, Permission.JOB_READ, Permission.IMAGE_READ})
# A token narrowed by a scope never manages the account itself: it could widen its own rights.
SCOPES: Final = {
    Scope.READ: _READ,
    Scope.GENERATE: _READ | {Permission.JOB_CREATE, Permission.JOB_CANCEL},
    Scope.ADMIN: frozenset(Permission) - _MEMBER | {Permission.EXAMPLE_READ},
}


def permissions(actor: Principal) -> frozenset[Permission]:
    """What this principal may do: the role's grants, narrowed by the token's scopes."""
    granted = GRANTS[actor.user.role]
    if actor.token_id is not None:
        # A token that makes tokens would outlive its own end, addresses and quota.
        granted -= {Permission.CREDENTIAL_MANAGE}
    if actor.scopes is None:
        return granted
    return granted & frozenset().union(*(SCOPES[scope] for scope in actor.scopes))


def allows(actor: Principal, permission: Permission) -> bool:
    return permission in permissions(actor)


def require(actor: Principal, permission: Permission) -> None:
    """Raises NotPermittedError unless the principal may."""
    if allows(actor, permission):
        return
    if permission in GRANTS[actor.user.role]:  # the person may, and made a token that may not
        raise NotPermittedError("error.token-too-narrow", permission=permission.value)
    raise NotPermittedError(role=actor.user.role.value, permission=permission.value)
