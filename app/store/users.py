"""Accounts and roles."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, case, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.domain.errors import ConflictError
from app.domain.people import Role, RoleLimits, User
from app.store.rows import Page, Repository, before, page
from app.store.tables import roles, service_state, users


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user, the limits of the role, and the password's hash for whoever checks it."""

    user: User
    limits: RoleLimits
    password_hash: str


@dataclass(frozen=True, slots=True)
class Turns:
    """The virtual time up to which each class of the user's jobs was served, and the number of the last claim."""

    served_until: int
    served_until_bulk: int
    last_served: int


class Roles(Repository):
    def seed(self, rows: Sequence[RoleLimits]) -> None:
        """Insert the roles that are not there yet; existing rows belong to the administrators."""
        known = set(self._connection.scalars(select(roles.c.name)))
        for row in rows:
            if row.role not in known:
                values = {field: getattr(row, field) for field in _LIMITS}
                self._connection.execute(insert(roles).values(name=row.role.value, **values))

    def all(self) -> tuple[RoleLimits, ...]:
        return tuple(_limits(row) for row in self._connection.execute(select(roles)))

    def get(self, role: Role, *, lock: bool = False) -> RoleLimits:
        query = select(roles).where(roles.c.name == role.value)
        return _limits(self._connection.execute(query.with_for_update() if lock else query).one())

    def change(self, role: Role, values: Mapping[str, int]) -> None:
        self._connection.execute(update(roles).where(roles.c.name == role.value).values(**values))


class Users(Repository):
    def count(self) -> int:
        return self._connection.scalar(select(func.count()).select_from(users)) or 0

    def get(self, user_id: int, *, lock: bool = False) -> Account | None:
        if lock:
            return self._locked(users.c.id == user_id)
        return self._with_role(_BY_ID, {"number": user_id})

    def by_name(self, username: str, *, lock: bool = False) -> Account | None:
        if lock:
            return self._locked(users.c.username == username)
        return self._with_role(_BY_NAME, {"name": username})

    def all(self) -> tuple[User, ...]:
        return tuple(_user(row) for row in self._connection.execute(select(users).order_by(users.c.username)))

    def list(self, cursor: str | None, limit: int) -> Page[User]:
        """In the order in which they were made."""
        query = select(users).order_by(users.c.id)
        if (last := before(cursor, "users")) is not None:
            query = query.where(users.c.id > last)
        return page(self._connection.execute(query.limit(limit + 1)).all(), limit, _user, "id", "users")

    def active_admins(self) -> int:
        """How many administrators could sign in. Locks their rows, so that two cannot remove each other."""
        query = select(users.c.id).where(users.c.role == Role.ADMIN.value, users.c.disabled_at.is_(None))
        return len(self._connection.execute(query.order_by(users.c.id).with_for_update()).all())

    def add(self, values: Mapping[str, Any]) -> User:
        """Insert an account. Raises ConflictError when the name is taken."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(users).values(**_BEGINNING, **values))
        except IntegrityError:
            if self.by_name(values["username"]) is None:
                raise
            raise ConflictError("error.username-taken", username=str(values["username"])) from None
        account = self.by_name(values["username"])
        if account is None:  # pragma: no cover - just inserted in this transaction
            raise LookupError
        return account.user

    def change(self, user_id: int, values: Mapping[str, Any]) -> None:
        self._connection.execute(update(users).where(users.c.id == user_id).values(**values))

    def next_revision(self, user_id: int) -> int:
        """Count a change of the user's jobs. Locks the user's row: the first statement of every job's change."""
        raised = update(users).where(users.c.id == user_id).values(job_revision=users.c.job_revision + 1)
        if self._connection.dialect.update_returning:  # not on MariaDB
            return self._connection.scalar(raised.returning(users.c.job_revision)) or 0
        self._connection.execute(raised)
        return self.revision(user_id)

    def revision(self, user_id: int) -> int:
        return self._connection.scalar(select(users.c.job_revision).where(users.c.id == user_id)) or 0

    def by_department(self) -> dict[str, int]:
        """How many people work in each."""
        query = select(users.c.department, func.count()).group_by(users.c.department)
        return {department: count for department, count in self._connection.execute(query)}  # noqa: C416 - rows

    def revisions(self, user_ids: Iterable[int]) -> dict[int, int]:
        """How often the jobs of each of them have changed."""
        query = select(users.c.id, users.c.job_revision).where(users.c.id.in_(tuple(user_ids)))
        return {user_id: revision for user_id, revision in self._connection.execute(query)}  # noqa: C416 - rows

    def turns(self, user_id: int) -> Turns:
        """Read it with the user's row locked."""
        columns = (users.c.served_until, users.c.served_until_bulk, users.c.last_served)
        return Turns(*self._connection.execute(select(*columns).where(users.c.id == user_id)).one())

    def latest_turn(self) -> int:
        """Where the last turn of anybody that was served ends in virtual time."""
        latest = [func.max(column) for column in (users.c.served_until, users.c.served_until_bulk)]
        return max(each or 0 for each in self._connection.execute(select(*latest)).one())

    def serve(self, user_id: int, *, until: int, bulk: bool) -> None:
        """Note that the user's turn which ends at `until` was the last to begin."""
        column = users.c.served_until_bulk if bulk else users.c.served_until
        later = case((column < until, until), else_=column)
        values = {column.name: later, "last_served": select(service_state.c.served).scalar_subquery()}
        self._connection.execute(update(users).where(users.c.id == user_id).values(**values))

    def _with_role(self, query: Select[Any], asked: Mapping[str, Any]) -> Account | None:
        row = self._connection.execute(query, asked).one_or_none()
        return None if row is None else _account(row, _limits_beside(row))

    def _locked(self, condition: ColumnElement[bool]) -> Account | None:
        """The role is read by itself: locked with the user, it would let its people wait for each other."""
        row = self._connection.execute(select(users).where(condition).with_for_update()).one_or_none()
        return None if row is None else _account(row, Roles(self._connection).get(Role(row.role)))


_LIMITS = tuple(field for field in RoleLimits.__dataclass_fields__ if field != "role")
# A role's columns have names that a user's have too.
_BESIDE = {field: f"role_{field}" for field in _LIMITS}
_WITH_ROLE = select(users, *(roles.c[field].label(label) for field, label in _BESIDE.items())).join(
    roles, roles.c.name == users.c.role
)
# Built once: every request asks who somebody is.
_BY_ID = _WITH_ROLE.where(users.c.id == bindparam("number"))
_BY_NAME = _WITH_ROLE.where(users.c.username == bindparam("name"))
_BEGINNING = {"job_revision": 0, "served_until": 0, "served_until_bulk": 0, "last_served": 0}


def _account(row: Row[Any], limits: RoleLimits) -> Account:
    return Account(user=_user(row), limits=limits, password_hash=row.password_hash)


def _limits(row: Row[Any]) -> RoleLimits:
    return RoleLimits(role=Role(row.name), **{field: getattr(row, field) for field in _LIMITS})


def _limits_beside(row: Row[Any]) -> RoleLimits:
    return RoleLimits(role=Role(row.role), **{field: getattr(row, label) for field, label in _BESIDE.items()})


def _user(row: Row[Any]) -> User:
    created: datetime = row.created_at
    return User(
        id=row.id,
        username=row.username,
        display_name=row.display_name,
        department=row.department,
        role=Role(row.role),
        quota_daily=row.quota_daily,
        must_change_password=row.must_change_password,
        language=row.language,
        created_at=created,
        disabled_at=row.disabled_at,
    )
