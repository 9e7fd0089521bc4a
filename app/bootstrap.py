"""Composition root: the only file that names concrete adapters."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.auth import passwords
from app.auth.rates import Rates
from app.auth.sessions import Lifetime
from app.domain.errors import InvalidRequestError
from app.domain.jobs import Job
from app.domain.people import Role
from app.domain.ports import Engine
from app.engine.core.failures import LoadError
from app.engine.core.models import Choice, choose
from app.engine.local import LocalEngine
from app.engine.loras import LoraFolder
from app.engine.shelf import ModelShelf
from app.flows import first_admin, run
from app.flows.engine_wishes import begin_wishes, end_wishes
from app.flows.recall import Recall
from app.flows.recover import Reaping, Recovery
from app.flows.studio import Studio
from app.flows.watch import Watcher
from app.scheduler.dispatcher import Dispatcher, Duties
from app.scheduler.shortcut import Shortcut
from app.scheduler.signals import RedisSignals, Signal
from app.settings import ConfigurationError, Settings, admin_password, roles, spans
from app.storage.initial_password import InitialPasswordFile
from app.storage.redis_results import RedisResults
from app.storage.results import KeptResults
from app.storage.uploads import FileUploads
from app.storage.vault import FileVault
from app.store import checks
from app.store.connect import Database, UnsupportedDatabaseError, is_sqlite, open_engine, sqlite_url
from app.store.leader import DatabaseLeadership, FileLeadership, Leadership
from app.store.schema import DatabaseUnreachableError, SchemaError, upgrade
from app.store.transaction import Store

__all__ = [
    "AlreadyRunningError",
    "Choice",
    "DatabaseUnreachableError",
    "House",
    "LoadError",
    "SchemaError",
    "build",
    "check_schema",
    "find_model",
    "is_unused",
    "make_folders",
    "migrate",
    "open_for_console",
    "prepare",
]

ENGINE_STOP_SECONDS: Final = 3.0
DISPATCHER_STOP_SECONDS: Final = 1.5
GIGABYTE: Final = 10**9


class SystemClock:
    """The `Clock` port."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - this is the clock that everybody else is given


class AlreadyRunningError(Exception):
    """Another server owns this data directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The studio with what must be started and stopped around it."""

    studio: Studio
    dispatcher: Dispatcher
    shortcut: Shortcut
    leadership: Leadership
    database: Database
    single_server: bool
    signals: RedisSignals | None

    def claim_data_dir(self) -> None:
        """Beside SQLite there is one server. Raises AlreadyRunningError."""
        if self.single_server and not self.leadership.held():
            raise AlreadyRunningError

    def start(self) -> None:
        """Load the model and work on the queue."""
        passwords.prepare()
        begin_wishes(self.studio)
        self.studio.engine.start()
        self.dispatcher.start()
        self.shortcut.start()
        if self.signals is not None:
            self.signals.listen()

    def stop(self) -> None:
        """No new starts; the running step ends; unfinished jobs wait for the next start."""
        self.studio.progress.close()
        self.studio.identities.close()
        if self.signals is not None:
            self.signals.stop()
        self.dispatcher.stop_claiming()
        self.shortcut.stop_serving()
        self.studio.engine.stop(ENGINE_STOP_SECONDS)
        self.dispatcher.join(DISPATCHER_STOP_SECONDS)
        self.shortcut.join(DISPATCHER_STOP_SECONDS)
        end_wishes(self.studio)
        self.leadership.release()

    def close(self) -> None:
        """The last request was answered."""
        self.studio.results.close()
        self.studio.store.close()


def build(settings: Settings, *, engine: Engine | None = None) -> House:
    """Wire everything up. Nothing runs, connects or loads yet. Raises ConfigurationError."""
    try:
        database = open_engine(settings.database_url or sqlite_url(settings.data_dir / "atelier.db"))
    except UnsupportedDatabaseError:
        raise ConfigurationError("database_url: this is not a SQLite, PostgreSQL or MySQL/MariaDB address") from None
    on_sqlite = is_sqlite(database)
    changed = Signal()
    studio = _studio(settings, database, changed, engine)
    leadership = FileLeadership(settings.data_dir / "atelier.lock") if on_sqlite else DatabaseLeadership(database)
    watcher, recalled = Watcher(studio), Recall(studio)

    def work(job: Job, on_steps_done: Callable[[], None]) -> None:
        run.run(studio, job, on_steps_done)
        recalled.after(job)

    duties = Duties(
        leads=leadership.held,
        recover=Recovery(studio),
        reap=Reaping(studio),
        ready=lambda: run.is_ready(studio),
        claim=lambda at_engine: run.claim(studio, at_engine),
        run=work,
        watch=watcher.look,
    )
    dispatcher = Dispatcher(duties)
    signals = _signals(settings, watcher)
    shortcut = Shortcut(lambda: dispatcher.is_clear, recalled)
    changed.connect(dispatcher, shortcut, signals)
    return House(
        studio=studio,
        dispatcher=dispatcher,
        shortcut=shortcut,
        leadership=leadership,
        database=database,
        single_server=on_sqlite,
        signals=signals,
    )


def _studio(settings: Settings, database: Database, changed: Signal, engine: Engine | None) -> Studio:
    idle, longest = spans(settings.session_idle), spans(settings.session_lifetime)
    return Studio(
        store=Store(database),
        engine=engine or _local_engine(settings, changed),
        shelf=ModelShelf(settings.models_dir),
        vault=FileVault(settings.outputs_dir, settings.data_dir / "thumbnails", settings.data_dir / "strays"),
        uploads=FileUploads(settings.data_dir / "uploads"),
        loras=LoraFolder(settings.models_dir),
        results=_results(settings),
        results_shared=settings.result_cache_shared,
        results_charged=settings.result_cache_charge == "full",
        clock=SystemClock(),
        initial_password=InitialPasswordFile(settings.data_dir / "initial-admin-password"),
        zone=settings.zone,
        lifetimes={role: Lifetime(idle[role], longest[role]) for role in Role},
        rates=_rates(settings),
        alone=is_sqlite(database),
        wake=changed.wake,
    )


def prepare(house: House, settings: Settings) -> str | None:
    """Bring the schema up to date and make the first administrator; the random password if one had to be made.

    Raises SchemaError, DatabaseUnreachableError or ConfigurationError.
    """
    upgrade(house.database)
    try:
        return first_admin.seed(house.studio, roles(settings), settings.admin_username, admin_password(settings))
    except InvalidRequestError as error:
        wrong = ", ".join(each.field for each in error.errors)
        raise ConfigurationError(f"the first administrator's {wrong} is not acceptable") from None


def open_for_console(house: House, settings: Settings) -> None:
    """For `python -m app`: an unused database gets its tables and roles; any other must be up to date already.

    Raises SchemaError, DatabaseUnreachableError or ConfigurationError.
    """
    if not settings.database_url:
        _make_folder(settings.data_dir, 0o700)
    if is_unused(house):
        migrate(house, settings)
    else:
        check_schema(house)


def migrate(house: House, settings: Settings) -> None:
    """Bring the schema up to date, with the roles that every account needs, and no account."""
    upgrade(house.database)
    house.studio.store.write(lambda tx: tx.roles.seed(roles(settings)))


def is_unused(house: House) -> bool:
    """Whether the database has none of our tables yet. Raises DatabaseUnreachableError."""
    return checks.is_unused(house.database)


def check_schema(house: House) -> None:
    """Raises SchemaError or DatabaseUnreachableError."""
    checks.require_current(house.database)


def find_model(settings: Settings, *, cuda: bool) -> Choice:
    """The model that would be loaded; it is here and whole unless its `repo` says whence it comes. Raises LoadError."""
    choice = choose(settings.model, settings.models_dir, cuda=cuda)
    if choice.repo is None:
        choice.check()
    return choice


def make_folders(settings: Settings) -> None:
    """Raises ConfigurationError when a folder cannot be made or written."""
    for folder, mode in ((settings.data_dir, 0o700), (settings.outputs_dir, 0o750), (settings.models_dir, 0o755)):
        _make_folder(folder, mode)


def _make_folder(folder: Path, mode: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be used: {error.strerror}") from None


def installation(settings: Settings) -> str:
    """A name for the database that tells nothing of it: what keeps several installations on one Redis apart."""
    return hashlib.sha256((settings.database_url or str(settings.data_dir.resolve())).encode()).hexdigest()[:16]


def _rates(settings: Settings) -> Rates:
    try:
        return Rates(settings.redis_url, installation(settings))
    except ValueError:
        raise ConfigurationError("redis_url: this is not a Redis address") from None


def _results(settings: Settings) -> KeptResults:
    try:
        shared = RedisResults(settings.redis_url, installation(settings)) if settings.redis_url else None
    except ValueError:
        raise ConfigurationError("redis_url: this is not a Redis address") from None
    most = int(settings.result_cache_gb * GIGABYTE)
    return KeptResults(settings.data_dir / "results", settings.data_dir / "results-key", most, shared)


def _signals(settings: Settings, watcher: Watcher) -> RedisSignals | None:
    if not settings.redis_url:
        return None
    try:
        return RedisSignals(settings.redis_url, installation(settings), watcher.look_quietly)
    except ValueError:
        raise ConfigurationError("redis_url: this is not a Redis address") from None


def _local_engine(settings: Settings, changed: Signal) -> LocalEngine:
    return LocalEngine(
        model=settings.model,
        source=settings.model_source,
        hub_endpoint=settings.hub_endpoint,
        device=settings.device,
        models_dir=settings.models_dir,
        on_change=changed.engine_changed,
        profile=settings.engine_profile,
    )
