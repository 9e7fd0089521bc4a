"""What a flow may use, and the two things that every flow does: ask for permission and write to the audit trail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from app.audit.events import Event, Refused
from app.audit.recorder import SYSTEM, record
from app.auth.policy import Permission, allows, require
from app.auth.rates import Rates
from app.auth.sessions import Lifetime
from app.domain.errors import NotFoundError, StudioError
from app.domain.loras import Loras
from app.domain.models import Shelf
from app.domain.people import UNLIMITED, Origin, Principal, Role, RoleLimits, User
from app.domain.ports import Clock, Engine, InitialPassword, Vault
from app.domain.results import Results
from app.domain.uploads import Uploads
from app.quota.ledger import Day, Month, day_of, month_of
from app.scheduler.changes import Changes
from app.scheduler.line import LineCache
from app.scheduler.pace import Pace
from app.scheduler.progress import Progress
from app.scheduler.wishes import Wishes
from app.store.transaction import Store, Transaction

CONSOLE_ID: Final = 0
REFUSALS_TOLD: Final = 600
NOWHERE: Final = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """Everything that flows share. `wake` tells the dispatcher, here and in other processes, to look again.

    `identities` tells whatever is open that somebody's session, token, role or account changed. `alone`: no other
    server can work on the same queue. `results` are given to others than their owners only if they are
    `results_shared`, and count in the quota if they are `results_charged`.
    """

    store: Store
    engine: Engine
    shelf: Shelf
    vault: Vault
    uploads: Uploads
    loras: Loras
    results: Results
    clock: Clock
    initial_password: InitialPassword
    zone: ZoneInfo
    lifetimes: Mapping[Role, Lifetime]
    progress: Progress = field(default_factory=Progress)
    identities: Changes = field(default_factory=Changes)
    rates: Rates = field(default_factory=Rates)
    line: LineCache = field(default_factory=LineCache)
    pace: Pace = field(default_factory=Pace)
    wishes: Wishes = field(default_factory=Wishes)
    alone: bool = True
    results_shared: bool = False
    results_charged: bool = False
    wake: Callable[[], None] = lambda: None

    @property
    def worker(self) -> str:
        """How the jobs that run in this process name it."""
        return self.progress.process

    def today(self) -> Day:
        return day_of(self.clock.now(), self.zone)

    def this_month(self) -> Month:
        return month_of(self.clock.now(), self.zone)

    def queue_changed(self, *user_ids: int) -> None:
        """After the commit: jobs of these people came, moved or ended."""
        self.line.changed()
        for user_id in user_ids:
            self.progress.changed(user_id)
        self.wake()

    def identity_changed(self, user_id: int) -> None:
        """After the commit: what that person has open looks again whether it may stay."""
        self.identities.changed(user_id)
        self.progress.changed(user_id)
        self.wake()

    def record(self, tx: Transaction, event: Event, actor: Principal | None, origin: Origin = NOWHERE) -> None:
        """Write the event in this transaction; no actor means the system itself."""
        known = None if actor is None or actor.user_id == CONSOLE_ID else actor.user
        name = SYSTEM if actor is None else actor.user.username
        record(tx, event, actor=known, origin=origin, at=self.clock.now(), actor_name=name)

    def permit(self, actor: Principal, permission: Permission, origin: Origin, subject: str = "") -> None:
        """Raises NotPermittedError, after writing the refusal down."""
        try:
            require(actor, permission)
        except StudioError as error:
            self.refused(actor, error, permission.value, origin, subject)
            raise

    def refused(self, actor: Principal, error: StudioError, what: str, origin: Origin, subject: str = "") -> None:
        """Write a refusal in a transaction of its own: the refused action's one is gone.

        So many a minute for each person: whoever hammers at a closed door must not fill the database.
        """
        if not self.rates.count("refusals-told", str(actor.user_id), REFUSALS_TOLD):
            return
        event = Refused(subject=subject, what=what, code=error.code)
        self.store.write(lambda tx: self.record(tx, event, actor, origin))

    def permit_object(
        self, actor: Principal, owner_id: int, otherwise: Permission, origin: Origin, subject: str
    ) -> None:
        """Somebody else's object is not found, unless `otherwise` is permitted."""
        if owner_id == actor.user_id or allows(actor, otherwise):
            return
        error = NotFoundError()
        self.refused(actor, error, otherwise.value, origin, subject)
        raise error


def console(at: datetime) -> Principal:
    """Whoever types `python -m app` on the server: may do everything, and is named in the audit trail."""
    user = User(
        id=CONSOLE_ID,
        username="console",
        display_name="console",
        department="",
        role=Role.ADMIN,
        quota_daily=0,
        must_change_password=False,
        language=None,
        created_at=at,
        disabled_at=None,
    )
    limits = RoleLimits(
        role=Role.ADMIN,
        quota_daily=UNLIMITED,
        max_waiting=50,
        max_running=1,
        max_side=2048,
        max_steps=50,
        max_count=4,
        jobs_per_minute=600,
        weight=1,
    )
    return Principal(user=user, limits=limits)
