"""Database servers for the tests: those that are there, and throwaway ones.

find                print `export ATELIER_TEST_…_URL=…` for servers that accept a login: the ones named in the
                    environment, else the ones on the usual local ports
start DIR [KIND …]  start throwaway servers (postgres, mariadb, redis) on free loopback ports, as an unprivileged
                    user, with their files in DIR; print the same lines
stop DIR            stop them and remove their files
packages [KIND …]   print the Debian packages of the servers that are not installed
"""

import argparse
import contextlib
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

import redis
import sqlalchemy

USUAL: Final = {
    "postgres": ("postgresql+psycopg://postgres@127.0.0.1:5432/postgres",),
    "mariadb": (
        "mysql+pymysql://root@127.0.0.1:3306/mysql",
        "mysql+pymysql://root@localhost/mysql?unix_socket=/run/mysqld/mysqld.sock",
    ),
    "redis": ("redis://127.0.0.1:6379/15",),
}
PACKAGES: Final = {"postgres": "postgresql", "mariadb": "mariadb-server", "redis": "redis-server"}
PROGRAMS: Final = {"postgres": "postgres", "mariadb": "mariadbd", "redis": "redis-server"}
PATIENCE: Final = 60.0


class ServiceError(Exception):
    """A server is not installed or did not start; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one throwaway server is made; `owner` runs it when we are root."""

    owner: str
    prepare: Sequence[str] | None
    run: Sequence[str]
    stop: signal.Signals
    url: str


def variable(kind: str) -> str:
    return f"ATELIER_TEST_{kind.upper()}_URL"


def accepts(url: str) -> bool:
    """Whether the server is there and lets us in."""
    try:
        if url.startswith("redis"):
            with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
                return bool(client.ping())
        engine = sqlalchemy.create_engine(url, connect_args={"connect_timeout": 2}, poolclass=sqlalchemy.NullPool)
        with engine.connect():
            return True
    except (redis.RedisError, sqlalchemy.exc.SQLAlchemyError):
        return False


def find(environment: Mapping[str, str], accepts: Callable[[str], bool] = accepts) -> dict[str, str]:
    """The URL of each kind of server that the tests can use already. What the environment names is taken as it is."""
    found = {}
    for kind, urls in USUAL.items():
        url = environment.get(variable(kind)) or next(filter(accepts, urls), None)
        if url:
            found[kind] = url
    return found


def program(name: str) -> str | None:
    """Where a server's program is; Debian keeps PostgreSQL's outside PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    places = [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", *map(str, reversed(folders))]
    return shutil.which(name, path=os.pathsep.join(places))


def need(kind: str, name: str) -> str:
    found = program(name)
    if found is None:
        raise ServiceError(f"{name} is not installed; on Debian and Ubuntu: apt install {PACKAGES[kind]}")
    return found


def postgres(folder: Path, port: int) -> Plan:
    data = folder / "data"
    fast = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
    settings = [word for setting in (*fast, "listen_addresses=127.0.0.1") for word in ("-c", setting)]
    initdb = [need("postgres", "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
    return Plan(
        owner="postgres",
        prepare=[*initdb, "-E", "UTF8", "--no-locale"],
        run=[need("postgres", "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder), *settings],
        stop=signal.SIGQUIT,
        url=f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres",
    )


def mariadb(folder: Path, port: int) -> Plan:
    data = f"--datadir={folder / 'data'}"
    files = [f"--socket={folder / 'socket'}", f"--pid-file={folder / 'mariadbd.pid'}"]
    fast = ["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--skip-name-resolve", "--max-connections=200"]
    install = [need("mariadb", "mariadb-install-db"), "--no-defaults", data, "--skip-test-db"]
    address = ["--bind-address=127.0.0.1", f"--port={port}"]
    return Plan(
        owner="mysql",
        prepare=[*install, "--auth-root-authentication-method=normal"],
        run=[need("mariadb", "mariadbd"), "--no-defaults", data, *files, *address, *fast],
        stop=signal.SIGTERM,
        url=f"mysql+pymysql://root@127.0.0.1:{port}/mysql",
    )


def redis_server(folder: Path, port: int) -> Plan:
    address = ["--bind", "127.0.0.1", "--port", str(port)]
    return Plan(
        owner="nobody",
        prepare=None,
        run=[need("redis", "redis-server"), *address, "--save", "", "--appendonly", "no", "--dir", str(folder)],
        stop=signal.SIGTERM,
        url=f"redis://127.0.0.1:{port}/15",
    )


PLANS: Final[Mapping[str, Callable[[Path, int], Plan]]] = {
    "postgres": postgres,
    "mariadb": mariadb,
    "redis": redis_server,
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spawn(command: Sequence[str], home: Path, owner: str) -> subprocess.Popen[bytes]:
    """Run the command in `home`, its output beside it; as `owner` when we are root."""
    account = pwd.getpwnam(owner) if os.geteuid() == 0 else None
    if account:
        os.chown(home, account.pw_uid, account.pw_gid)
    with home.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            command,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=account and [],
            cwd=home,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def launch(kind: str, home: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """Prepare the server's folder and start it; it does not answer yet."""
    plan = PLANS[kind](home, free_port())
    home.mkdir(mode=0o700)
    if plan.prepare and spawn(plan.prepare, home, plan.owner).wait() != 0:
        raise ServiceError(f"{kind} could not be prepared:\n{tail(home)}")
    process = spawn(plan.run, home, plan.owner)
    home.with_suffix(".pid").write_text(f"{process.pid} {int(plan.stop)}")
    return plan.url, process


def tail(home: Path) -> str:
    return home.with_suffix(".log").read_text(errors="replace")[-2000:]


def start(folder: Path, kinds: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The URLs of the servers that run now, and why the others do not."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # the servers' users must get through to their own folders
    started, urls, failed = {}, {}, []
    for kind in kinds:
        try:
            started[kind] = launch(kind, folder / kind)
        except (ServiceError, OSError, KeyError) as error:
            failed.append(str(error))
    for kind, (url, process) in started.items():
        if answers(url, process):
            urls[kind] = url
        else:
            failed.append(f"{kind} did not start:\n{tail(folder / kind)}")
    return urls, failed


def answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server lets us in; False if it ends or takes too long."""
    pause, waited = 0.1, 0.0
    while waited < PATIENCE:
        if accepts(url):
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(pause)
            return False
        waited += pause
    return False


def stop(folder: Path) -> None:
    for note in sorted(folder.glob("*.pid")):
        home = note.with_suffix("")
        pid, how = map(int, note.read_text().split())
        end(pid, signal.Signals(how), home)
        shutil.rmtree(home)
        note.unlink()
        note.with_suffix(".log").unlink()


def end(pid: int, how: signal.Signals, home: Path) -> None:
    """End the server, at last by force. A process that works elsewhere has only inherited the number."""
    for signum, patience in ((how, 100), (signal.SIGKILL, 50)):
        for tick in range(patience):
            try:
                works_in = Path(f"/proc/{pid}/cwd").readlink()
            except OSError:
                return
            if not works_in.is_relative_to(home.resolve()):
                return
            if tick == 0:
                os.kill(pid, signum)
            Event().wait(0.1)


def show(urls: Mapping[str, str]) -> None:
    for kind, url in urls.items():
        print(f"export {variable(kind)}={shlex.quote(url)}")


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/services", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=["find", "start", "stop", "packages"])
    parser.add_argument("rest", nargs="*", metavar="DIR | KIND")
    arguments = parser.parse_args(words)
    verb, rest = arguments.verb, arguments.rest
    folder = Path(rest.pop(0)).absolute() if verb in {"start", "stop"} and rest else None
    if (folder is None) == (verb in {"start", "stop"}) or not set(rest) <= set(PLANS):
        parser.error(f"see --help; kinds are {', '.join(PLANS)}")
    failed: list[str] = []
    if verb == "find":
        show(find(os.environ))
    elif verb == "packages":
        print(*(PACKAGES[kind] for kind in rest or PLANS if program(PROGRAMS[kind]) is None))
    elif folder and verb == "start":
        urls, failed = start(folder, rest or list(PLANS))
        show(urls)
    elif folder:
        stop(folder)
    for reason in failed:
        print(f"atelier: {reason}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
