"""`python launch.py` as an administrator meets it: first start, ports, exit codes, signals."""

import contextlib
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.engine.waiting import wait_for
from tests.houses import PASSWORD
from tests.serving import ROOT, Served, json_lines, serving


def first_start(folder: Path, *flags: str) -> Served:
    """Without a chosen password."""
    return Served(folder, *flags)


def printed_password(served: Served) -> str:
    wait_for(lambda: any("with the password" in line for line in served.err), 30)
    found = re.search(r"as admin with the password (\S+)", "".join(served.err))
    assert found is not None
    return found[1]


def change_first_password(url: str, password: str) -> None:
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=30) as browser:
        assert browser.post("/login", data={"username": "admin", "password": password}).status_code == 303
        changed = browser.post("/account/password", data={"old": password, "new": PASSWORD})
        assert changed.status_code == 303


def test_the_first_start_makes_a_random_password_that_must_be_changed(tmp_path: Path) -> None:
    served = first_start(tmp_path)
    try:
        served.until_open()
        assert served.out == [f"Atelier is ready at {served.url}\n"]
        password = printed_password(served)
        file = tmp_path / "data/initial-admin-password"
        assert file.read_text().strip() == password
        assert file.stat().st_mode & 0o777 == 0o600
        change_first_password(served.url, password)
        assert not file.exists()
        assert served.stop() == 0
    finally:
        served.kill()


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
def test_an_unchanged_first_password_keeps_the_server_on_loopback_until_it_is_changed(tmp_path: Path) -> None:
    outside = "127.0.0.2"  # part of every address of this machine, and not what 127.0.0.1 listens on
    served = first_start(tmp_path, "--host", "0.0.0.0")  # noqa: S104 - the point of the test
    try:
        served.until_open()
        password = printed_password(served)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((outside, served.port), timeout=2)
        change_first_password(served.url, password)
        wait_for(lambda: reaches(outside, served.port), 10)
        assert served.get("/login") == 200
        assert served.stop() == 0
    finally:
        served.kill()


def test_a_ready_line_as_json_and_a_clean_stop_with_an_open_poll(tmp_path: Path) -> None:
    with serving(tmp_path, "--log-format", "json") as served:
        served.until_ready()
        assert json_lines(served.out) == [{"event": "ready", "url": served.url}]
        with served.script_of("mei") as mei:
            first = mei.get("/api/v1/events")
            assert "server" not in first.headers  # nobody needs to know what serves, and in which version
            rev = first.json()["rev"]
            polling = threading.Thread(
                target=lambda: mei.get("/api/v1/events", params={"since": rev, "wait": 55}), daemon=True
            )
            polling.start()
            started = time.monotonic()
            assert served.stop() == 0
            assert time.monotonic() - started < 30
        assert all("message" in line for line in json_lines(served.err))


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        first.until_open()
        with serving(tmp_path) as second:
            assert second.process.wait(30) == 3
        assert first.get("/healthz") == 200


def test_a_busy_port_that_was_asked_for_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with serving(tmp_path, port=taken.getsockname()[1]) as served:
            assert served.process.wait(30) == 4
            assert len([line for line in served.err if "--port" in line]) == 1


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (("--nonsense",), 2),
        (("--port", "none"), 2),
        (("--timezone", "Mars/Olympus"), 2),
        (("--device", "tpu"), 2),
        (("--database-url", "oracle://x"), 3),
        (("--config", "missing.toml"), 3),
        (("--trusted-proxies", "0.0.0.0/0"), 3),
        (("--ssl-certfile", "missing.pem"), 3),
        (("--database-url", "postgresql+psycopg://nobody@127.0.0.1:1/none"), 5),
    ],
    ids=lambda value: "-".join(value).strip("-") if isinstance(value, tuple) else str(value),
)
def test_what_cannot_be_served_ends_with_its_own_code_and_a_reason(
    tmp_path: Path, flags: tuple[str, ...], code: int
) -> None:
    with serving(tmp_path, *flags) as served:
        assert served.process.wait(30) == code
        told = "".join(served.err)
    assert told.strip()
    assert "Traceback" not in told
    assert served.out == []


def test_a_database_of_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    database = tmp_path / "data/atelier.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('from_the_future')")
        connection.commit()
    with serving(tmp_path) as served:
        assert served.process.wait(30) == 5
        assert "from_the_future" in "".join(served.err)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("alembic_version",)]


def test_a_share_link_that_cannot_be_made_leaves_the_local_server_serving(tmp_path: Path) -> None:
    with serving(tmp_path, "--share", HTTPS_PROXY="http://127.0.0.1:1", HTTP_PROXY="http://127.0.0.1:1") as served:
        served.until_open()
        wait_for(lambda: any("No public link" in line for line in served.err), 60)
        assert served.get("/login") == 200


def test_help_names_every_flag_and_needs_neither_torch_nor_gradio() -> None:
    code = "import sys, app.cli.serve; sys.exit(bool({'torch', 'gradio', 'sqlalchemy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    shown = subprocess.run(
        [sys.executable, "launch.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for flag in (
        "--host",
        "--share",
        "--model-source",
        "--outputs-dir",
        "--database-url",
        "--root-path",
        "--log-format",
    ):
        assert flag in shown


def reaches(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True
