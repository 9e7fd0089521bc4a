"""The real program in a hostile environment: what it asks of the network, and what it tells."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.engine.waiting import wait_for
from tests.gradio_events import ran, server_events
from tests.houses import PASSWORD
from tests.serving import Served, free_port, serving, until_ended

# Written into every Python process of the program: each name that is looked up, each address that is called.
WATCHER = """
import os, sys
def tell(*words):
    with open(os.environ["WATCHED"], "a") as file:
        print(*words, file=file)
def watch(event, given):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        tell("asks", *given[:2])
    elif event in ("socket.connect", "socket.sendto") and isinstance(given[1], tuple):
        tell("asks", *given[1][:2])
tell("process", os.getpid())
sys.addaudithook(watch)
"""
DEAD = "http://127.0.0.1:1"
PROXIES = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), DEAD)
# Each of these would change what is served.
WANTED_BY_GRADIO = {
    "GRADIO_ALLOWED_PATHS": "/",
    "GRADIO_ROOT_PATH": "/elsewhere",
    "GRADIO_VIBE_MODE": "1",
    "GRADIO_SHARE": "True",
    "GRADIO_RUN_HISTORY": "True",
    "GRADIO_ANALYTICS_ENABLED": "True",
}
CANARY = "canary-7f3a"
SECRET = "no diagnostics may tell this"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "sitecustomize.py").write_text(WATCHER)
    variables = {"PYTHONPATH": str(folder), "WATCHED": str(folder / "watched.txt"), "ATELIER_ADMIN_PASSWORD": SECRET}
    hostile = PROXIES | WANTED_BY_GRADIO | variables
    with serving(folder, "--log-level", "debug", port=free_port(), **hostile) as program:
        program.until_ready()
        yield program


@pytest.fixture
def boss(served: Served) -> Iterator[httpx.Client]:
    with signed_in(served, "admin", SECRET) as client:
        yield client


@contextmanager
def signed_in(served: Served, name: str, password: str = PASSWORD) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, headers={"Origin": served.url}, timeout=30) as client:
        assert client.post("/login", data={"username": name, "password": password}).status_code == 303
        yield client


def make(boss: httpx.Client, name: str) -> str:
    person = {"username": name, "password": PASSWORD, "role": "member"}
    assert boss.post("/api/v1/admin/users", json=person).status_code == 201
    return name


def texts(served: Served) -> str:
    return "".join(served.out + served.err)


def test_a_dead_proxy_in_the_environment_keeps_nothing_from_starting(served: Served, boss: httpx.Client) -> None:
    """Pitfall gradio §10.7: with HTTP_PROXY set, Gradio calls itself through the proxy and does not start."""
    with signed_in(served, make(boss, "behind-proxy")) as script:
        assert all(ran(script, event) for event in server_events(script) if event["api_name"].startswith("arrive"))
        job = script.post("/api/v1/jobs", json={"prompt": "a red circle", "width": 256, "height": 256, "steps": 2})
        assert until_ended(script, job.json()["id"])["state"] == "succeeded"
        config = script.get("/config").json()
        assert (config["run_history"], config["root"]) == (False, served.url)
        assert script.get("/gradio_api/vibe-code").status_code == 404
        assert script.get("/gradio_api/file=/etc/hostname").status_code == 404


def test_a_start_looks_up_no_name_and_calls_nobody(served: Served) -> None:
    """Pitfall gradio §10.10: Gradio and its libraries ask their makers' servers at every start."""
    seen = [line.partition(" ") for line in (served.folder / "watched.txt").read_text().splitlines()]
    watched = {int(what) for kind, _, what in seen if kind == "process"}
    assert {served.process.pid, served.engine().pid} <= watched
    asked = {tuple(what.split()) for kind, _, what in seen if kind == "asks"}
    assert ("127.0.0.1", str(served.port)) in asked, "the watcher sees nothing"
    # Whoever wants to go out goes to the dead proxy first.
    assert asked == {("127.0.0.1", str(served.port))}


def test_a_stop_waits_for_no_open_stream(tmp_path: Path) -> None:
    """Pitfall gradio §10.8: a signal ends nothing while a stream is open, or skips what must happen at the end."""
    with serving(tmp_path) as served:
        served.until_open()
        with served.script_of("streams") as script:
            child = served.engine()
            begun, ended = threading.Event(), threading.Event()

            def read() -> None:
                try:
                    with script.stream("GET", "/gradio_api/heartbeat/abcdef") as answer:
                        begun.set()
                        for _ in answer.iter_raw():
                            pass
                finally:
                    ended.set()

            threading.Thread(target=read, daemon=True).start()
            assert begun.wait(10)
            asked = time.monotonic()
            assert served.stop() == 0
            assert time.monotonic() - asked < 30
            assert ended.wait(10)
        wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
        assert "Traceback" not in texts(served)


def test_no_diagnosis_shows_a_credential(served: Served, boss: httpx.Client) -> None:
    """Pitfall peers §d2.11: diagnostics, logs and command lines that contain passwords and tokens."""
    cookie = boss.cookies["atelier_session"]
    token = served.manage("token", "create", "admin", "--name", "told").splitlines()[-1]
    assert httpx.get(f"{served.url}/api/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    for wrong in ({"username": SECRET, "password": "x"}, {"username": "admin", "password": f"{SECRET}x"}):
        boss.post("/login", data=wrong)
    boss.get(f"/nothing?password={SECRET}&token={token}")
    pages = ("/", "/config", "/healthz", "/readyz", "/login", "/account/status", "/api/v1/me", "/gradio_api/info")
    told = [boss.get(page).text for page in (*pages, "/api/v1/admin/users", "/api/v1/admin/audit?limit=200")]
    told += [texts(served), served.manage("doctor")]
    program = psutil.Process(served.process.pid)
    told += [" ".join(process.cmdline()) for process in (program, *program.children(recursive=True))]
    for secret in (SECRET, cookie, token, token.split("_", 2)[2]):
        assert not [text[:80] for text in told if secret in text]


def test_a_prompt_stays_where_it_belongs(served: Served, boss: httpx.Client) -> None:
    """Pitfall peers §d2.16: prompts in logs, lists, caches and whatever else others can read."""
    body = {"prompt": f"{CANARY} in a field", "negative_prompt": CANARY, "width": 256, "height": 256, "steps": 2}
    with signed_in(served, make(boss, "private")) as owner, signed_in(served, make(boss, "nosy")) as nosy:
        job = until_ended(owner, owner.post("/api/v1/jobs", json=body).json()["id"])
        owner.post("/api/v1/jobs", json={**body, "width": 1})
        owner.post("/api/v1/jobs", content=f'{{"prompt": "{CANARY}"', headers={"Content-Type": "application/json"})
        owner.get(f"/api/v1/jobs?state={CANARY}")
        for event in [event for event in server_events(owner) if event["inputs"]]:
            values = {"data": [CANARY] * len(event["inputs"]), "session_hash": "abcdef"}
            assert owner.post(f"/gradio_api/call/{event['api_name']}", json=values).status_code == 200
        seen = [nosy.get(path).text for path in ("/", "/config", "/api/v1/events", "/api/v1/jobs", "/api/v1/images")]
        seen += [owner.get(job["images"][0]["url"]).headers["content-disposition"], *owner.get("/").headers.values()]
    seen += [boss.get(f"/api/v1/admin/{path}").text for path in ("audit?limit=200", "queue", "users")]
    seen += [served.manage("queue", "list", "--json"), texts(served)]
    assert not [text[:80] for text in seen if CANARY in text]
    files = [path for path in (served.folder / "data").rglob("*") if path.is_file()]
    assert {path.name for path in files if CANARY.encode() in path.read_bytes()} <= {"atelier.db", "atelier.db-wal"}
