"""The database layer: schema, transactions, views and the lock of the queue."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from app.domain.errors import UnavailableError
from app.store.connect import open_engine
from app.store.leader import DatabaseLeadership, FileLeadership
from app.store.quota import MonthRow
from app.store.schema import DatabaseUnreachableError, SchemaError, check, upgrade
from app.store.transaction import Store, Transaction
from tests.engine.waiting import wait_for

BEFORE_THE_QUEUE = """
INSERT INTO roles (name, quota_daily, max_waiting, max_side, max_steps, max_count, jobs_per_minute)
VALUES ('member', 5, 50, 2048, 50, 4, 120);
INSERT INTO users (id, username, display_name, department, role, password_hash, must_change_password, job_revision,
created_at) VALUES (1, 'mei', '', 'Design', 'member', '', false, 0, '2026-11-23 10:00:00');
INSERT INTO jobs (seq, id, user_id, department, state, prompt, negative_prompt, width, height, steps, guidance_scale,
seed, count, exact, cost, work, day, attempt, losses, revision, ip_address, created_at)
VALUES (1, '0123456789abcdef', 1, 'Design', 'queued', 'a', '', 256, 256, 2, 0, 1, 3, false, 3, 0.4, '2026-11-23',
1, 0, 1, '', '2026-11-23 10:00:00');
INSERT INTO quota_entries (user_id, day, job_id, picture_index, kind, amount, reason, created_at)
VALUES (1, '2026-11-23', '0123456789abcdef', -1, 'reserve', 3, 'submitted', '2026-11-23 10:00:00'),
(1, '2026-11-23', '0123456789abcdef', 0, 'commit', 1, 'picture', '2026-11-23 10:00:01')
"""


def test_the_migrations_make_exactly_the_tables_that_the_code_knows(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    upgrade(engine)
    upgrade(engine)
    check(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM quota_today")).scalar() == 0
        assert connection.execute(text("SELECT count(*) FROM generation_logs")).scalar() == 0
    engine.dispose()


def test_a_migration_that_was_killed_half_way_can_be_run_again(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    upgrade(engine)
    with engine.begin() as connection:
        for table in ("alembic_version", "idempotency_keys", "images"):
            connection.execute(text("DROP VIEW IF EXISTS generation_logs"))
            connection.execute(text(f"DROP TABLE {table}"))
    upgrade(engine)
    check(engine)
    engine.dispose()


def test_an_upgrade_keeps_what_is_there_and_counts_the_months_of_departments(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    upgrade(engine, "20261123_identity")
    with engine.begin() as connection:
        for statement in BEFORE_THE_QUEUE.split(";"):
            connection.execute(text(statement))
    upgrade(engine)
    check(engine)
    store = Store(engine)
    assert store.read(lambda tx: tx.jobs.next_in_line()) == ("0123456789abcdef", 1)
    job = store.read(lambda tx: tx.jobs.get("0123456789abcdef"))
    assert job is not None
    assert (job.vstart, job.seq, job.bulk) == (0, 1, False)
    assert store.read(lambda tx: tx.months.month("Design", date(2026, 11, 1))) == MonthRow(used=1, reserved=2)
    assert store.read(lambda tx: tx.roles.all())[0].weight == 1
    engine.dispose()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("ALTER TABLE sessions DROP COLUMN user_agent", "user_agent"),
        ("DROP VIEW quota_today", "quota_today"),
        ("UPDATE alembic_version SET version_num = 'later'", "later"),
    ],
)
def test_a_schema_that_differs_is_refused_and_named(empty_database_url: str, damage: str, told: str) -> None:
    engine = open_engine(empty_database_url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text(damage))
    with pytest.raises(SchemaError, match=told):
        upgrade(engine)
    engine.dispose()


def test_an_unreachable_database_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachableError):
        upgrade(open_engine("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    with pytest.raises(DatabaseUnreachableError):
        upgrade(open_engine(f"sqlite:///{tmp_path}/missing/atelier.db"))


def test_a_dead_database_tells_people_so_and_shows_no_statement() -> None:
    store = Store(open_engine("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    with pytest.raises(UnavailableError) as refused:
        store.read(lambda tx: tx.service.get())
    assert refused.value.key == "error.database-unavailable"
    assert refused.value.__cause__ is None


@pytest.fixture
def store(empty_database_url: str) -> Store:
    engine = open_engine(empty_database_url)
    upgrade(engine)
    return Store(engine)


def test_no_update_is_lost_between_parallel_transactions(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.write(lambda tx: tx.service.announce()), range(40)))
    assert store.read(lambda tx: tx.service.get()).revision == 40
    store.close()


def test_two_transactions_that_lock_each_other_both_succeed_in_the_end(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE pair (id INTEGER PRIMARY KEY, n INTEGER)"))
        connection.execute(text("INSERT INTO pair VALUES (1, 0), (2, 0)"))
    store, first_locks = Store(engine), threading.Barrier(2, timeout=2)

    def cross(order: tuple[int, int]) -> None:
        def work(tx: Transaction) -> None:
            connection = tx.service._connection  # noqa: SLF001 - raw SQL, to force the deadlock
            connection.execute(text("UPDATE pair SET n = n + 1 WHERE id = :id"), {"id": order[0]})
            with contextlib.suppress(threading.BrokenBarrierError):  # SQLite lets only one in at a time
                first_locks.wait()
            connection.execute(text("UPDATE pair SET n = n + 1 WHERE id = :id"), {"id": order[1]})

        store.write(work)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(cross, [(1, 2), (2, 1)]))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT n FROM pair ORDER BY id")).scalars().all() == [2, 2]
    store.close()


@pytest.mark.parametrize(
    "row",
    [
        {"used": 2, "reserved": 2},
        {"used": -1, "reserved": 0},
        {"used": 0, "reserved": -1},
    ],
)
def test_the_database_itself_refuses_an_impossible_day(empty_database_url: str, row: dict[str, int]) -> None:
    engine = open_engine(empty_database_url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO roles VALUES ('member', 5, 50, 2048, 50, 4, 120, 4, 1)"))
        connection.execute(
            text(
                "INSERT INTO users (id, username, display_name, department, role, password_hash, must_change_password,"
                " job_revision, served_until, served_until_bulk, last_served, created_at)"
                " VALUES (1, 'mei', '', '', 'member', '', false, 0, 0, 0, 0, '2026-11-23')"
            )
        )
    with pytest.raises((IntegrityError, OperationalError), match=r"(?i)constraint"), engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO quota_days (user_id, day, starts_at, ends_at, allowance, adjusted, used, reserved)"
                " VALUES (1, '2026-11-23', '2026-11-23', '2026-11-24', 3, 0, :used, :reserved)"
            ),
            row,
        )
    engine.dispose()


def test_of_two_processes_one_owns_the_queue_until_it_lets_go(empty_database_url: str, tmp_path: Path) -> None:
    engines = [open_engine(empty_database_url) for _ in range(2)]
    on_file = empty_database_url.startswith("sqlite")
    first, second = (FileLeadership(tmp_path / "lock") if on_file else DatabaseLeadership(each) for each in engines)
    assert first.held()
    assert first.held()
    assert not second.held()
    first.release()
    wait_for(second.held)  # the server notices the end of the connection a moment later
    second.release()
    for each in engines:
        each.dispose()


def test_names_differ_by_case_and_accents_on_every_database(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    upgrade(engine)
    with engine.begin() as connection:
        for name in ("a", "A", "á"):
            connection.execute(text("INSERT INTO roles VALUES (:name, 5, 50, 2048, 50, 4, 120, 4, 1)"), {"name": name})
        found = connection.execute(text("SELECT count(*) FROM roles WHERE name = 'a'")).scalar()
    assert found == 1
    engine.dispose()


def test_statements_with_what_people_wrote_are_never_in_an_error(tmp_path: Path) -> None:
    opened = open_engine(f"sqlite:///{tmp_path}/a.db")
    with opened.connect() as connection, pytest.raises(Exception, match="hidden") as refused:
        connection.execute(text("INSERT INTO nowhere VALUES (:prompt)"), {"prompt": "secret words"})
    assert "secret words" not in str(refused.value)
