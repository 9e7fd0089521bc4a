"""What went wrong in other studios for many people, tried on this one."""

import hashlib
import io
import re
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.auth import tokens
from app.bootstrap import House, build, make_folders, migrate
from app.domain.people import Role
from app.domain.ports import PictureMade
from app.flows import first_admin, queue_control
from app.flows.studio import NOWHERE
from app.flows.tokens import create_token
from app.flows.users import change_user
from app.settings import load, roles
from tests.databases import fresh_database
from tests.engine.fake_engine import FakeEngine
from tests.engine.waiting import wait_for
from tests.live import JOB, Live, ended, live_server
from tests.web.test_streams import open_stream

SOMEBODY_ELSE = ("peer-victim", "admin", "1", "local")
IDENTITY_HEADERS = (
    *("comfy-user", "X-SWARM-USER_ID", "X-User", "X-User-Id", "X-Remote-User", "Remote-User", "X-Forwarded-User"),
    *("X-Forwarded-Email", "X-Auth-Request-User", "X-WEBAUTH-USER", "Tailscale-User-Login", "X-Gradio-User"),
)
ROOT = Path(__file__).parents[2]
SECRET_FILE = re.compile(
    r"(^|/)(\.env(?!\.example$)[^/]*|atelier\.toml|initial-admin-password|id_(rsa|ed25519)|[^/]+\.(pem|key|p12|pfx|db|sqlite3?))$"
)
SECRET_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{40}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\bsk-[A-Za-z0-9_-]{32,}|\bxox[abps]-[A-Za-z0-9-]{20,}|\bhf_[A-Za-z0-9]{30,}\b|\batl_[0-9a-f]{12}_[A-Za-z0-9_-]{40,}"
)


@pytest.fixture
def slow(live: Live) -> Iterator[None]:
    """Jobs that are still running when something happens to their owner."""
    live.engine.step_delay = 0.2
    yield
    live.engine.step_delay = 0.01


@pytest.mark.usefixtures("slow")
def test_a_demoted_administrator_loses_the_running_job_the_open_stream_and_all_power_at_once(live: Live) -> None:
    """Pitfall peers §d2.4: roles that are honoured until a token expires, sockets that stay an administrator's."""
    live.person("peer-stale", "admin")
    with live.browser_of("peer-stale") as page, live.client(live.token("peer-stale")) as script:
        job = page.post("/api/v1/jobs", json={**JOB, "steps": 50}).json()["id"]
        wait_for(lambda: page.get(f"/api/v1/jobs/{job}").json()["state"] == "running")
        demote = partial(change_user, live.house.studio, live.admin(), "peer-stale", {"role": "guest"}, NOWHERE)
        with open_stream(page) as reading:
            assert reading.ends_after(demote) < 1
        for client in (page, script):
            again = client.patch("/api/v1/admin/users/peer-stale", json={"role": "admin"})
            answers = [again, client.get("/api/v1/admin/users"), client.post("/api/v1/jobs", json=JOB)]
            assert [answer.status_code for answer in answers] == [403] * 3
            assert client.get("/api/v1/me").json()["role"] == "guest"
    state = live.house.studio.store.read(lambda tx: tx.jobs.get(job))
    assert state is not None
    assert state.state == "cancelled"
    wait_for(lambda: not live.house.studio.progress.running())


def test_who_somebody_is_comes_from_nothing_that_anybody_can_write(live: Live) -> None:
    """Pitfall peers §d2.5: identities out of headers, addresses and bodies, and keys out of the query string."""
    live.person("peer-victim", "admin")
    token = live.token("peer-victim")
    with live.script_of("peer-liar") as liar, live.client() as stranger:
        for name in IDENTITY_HEADERS:
            for value in SOMEBODY_ELSE:
                assert stranger.get("/api/v1/me", headers={name: value}).status_code == 401, name
                assert liar.get("/api/v1/me", headers={name: value}).json()["username"] == "peer-liar", name
        for query in (f"token={token}", f"api_key={token}", f"access_token={token}", f"atelier_session={token}"):
            assert stranger.get(f"/api/v1/me?{query}").status_code == 401
            assert stranger.post(f"/api/v1/jobs?{query}", json=JOB).status_code == 401
        for field in ("user_id", "username", "owner", "user"):
            assert liar.post("/api/v1/jobs", json={**JOB, field: "peer-victim"}).status_code == 422
            assert liar.get("/api/v1/jobs", params={field: "peer-victim"}).json()["items"] == []


@pytest.mark.usefixtures("whole_minute")
def test_a_forged_address_changes_no_limit_no_list_and_no_trail(tmp_path: Path) -> None:
    """Pitfall peers §d2.6: limits and trails that believe the X-Forwarded-For of whoever asks."""
    form = {"password": "not this one"}
    with live_server(tmp_path, trusted_proxies="127.0.0.1") as behind, behind.client() as proxy:

        def came(real: str, number: int) -> dict[str, str]:
            return {"X-Forwarded-For": f"6.6.6.{number}, {real}", "X-Real-IP": f"6.6.7.{number}"}

        behind.person("peer-bound")
        statuses = [
            proxy.post(
                "/login", data={**form, "username": f"no-{number}"}, headers=came("10.0.0.7", number)
            ).status_code
            for number in range(21)
        ]
        assert statuses == [401] * 20 + [429]
        assert proxy.post("/login", data={**form, "username": "no"}, headers=came("10.0.0.8", 1)).status_code == 401
        rows = behind.house.studio.store.read(lambda tx: tx.audit.list(action="session:login", limit=200)).items
        assert {row.ip_address for row in rows} == {"10.0.0.7", "10.0.0.8"}
        token = bound_token(behind, "peer-bound", "6.6.6.0/24")
        headers = {"Authorization": f"Bearer {token}"}
        assert proxy.get("/api/v1/me", headers=headers | came("10.0.0.7", 1)).status_code == 401
        assert proxy.get("/api/v1/me", headers=headers | {"X-Forwarded-For": "6.6.6.9"}).status_code == 200
        # Whoever comes from the machine itself, with no header at all, is nobody either.
        assert proxy.get("/api/v1/me").status_code == 401


def bound_token(live: Live, name: str, network: str) -> str:
    body = {"name": "bound", "addresses": [network], "expires_days": 1}
    return create_token(live.house.studio, live.admin(), name, body, NOWHERE).token


def pixels(png: bytes) -> str:
    with Image.open(io.BytesIO(png)) as image:
        return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


def test_everybody_gets_the_own_picture_however_many_click_at_once(live: Live) -> None:
    """Pitfall peers §d2.10: one global worker state shows somebody's picture to somebody else."""
    names = [f"peer-crowd-{number}" for number in range(8)]
    scripts = {name: live.script_of(name) for name in names}

    def make(name: str) -> list[tuple[str, str]]:
        body = {**JOB, "prompt": f"only for {name}", "seed": 7, "count": 2}
        job = ended(scripts[name], scripts[name].post("/api/v1/jobs", json=body).json()["id"])
        images = scripts[name].get("/api/v1/images").json()["items"]
        assert {image["prompt"] for image in images} == {body["prompt"]}
        assert [image["job_id"] for image in images] == [job["id"]] * 2
        return [(name, pixels(scripts[name].get(image["url"]).content)) for image in job["images"]]

    with ThreadPoolExecutor(len(names)) as pool:
        got = [pair for pairs in pool.map(make, names) for pair in pairs]
    alone = FakeEngine()
    alone.start()
    asked = {request.prompt.removeprefix("only for "): request for request in live.engine.requests}
    expected = [
        (name, pixels(event.png))
        for name in names
        for event in alone.run(asked[name])
        if isinstance(event, PictureMade)
    ]
    assert sorted(got) == sorted(expected)
    assert len({found for _, found in got}) == 2 * len(names)
    for client in scripts.values():
        client.close()


def test_the_address_of_a_picture_is_worth_nothing_without_its_owner(live: Live) -> None:
    """Pitfall peers §d2.15: ownership is checked for the task while its picture lies in a static folder."""
    live.person("peer-static")
    with live.browser_of("peer-static") as owner, live.script_of("peer-other") as other, live.client() as stranger:
        image = ended(owner, owner.post("/api/v1/jobs", json=JOB).json()["id"])["images"][0]
        (file,) = (live.outputs / "peer-static").rglob("*.png")
        inner = file.relative_to(live.outputs).as_posix()
        known = {"If-None-Match": owner.get(image["url"]).headers["etag"]}
        assert owner.get(image["url"], headers=known).status_code == 304
        assert owner.get(image["url"]).headers["cache-control"] == "private, no-cache"
        for path in (image["url"], image["thumb_url"]):
            assert other.get(path, headers=known).status_code == 404
            assert stranger.get(path, headers=known).status_code == 401
        for path in (f"/outputs/{inner}", f"/assets-atelier/../../../outputs/{inner}", f"/assets/{file}", f"/{inner}"):
            for client in (owner, other):
                assert client.get(path).status_code in {403, 404}, path
        cookie = {"Cookie": f"atelier_session={owner.cookies['atelier_session']}"}
        assert stranger.get(image["url"], headers=cookie).status_code == 200
        assert owner.post("/logout").status_code == 303
        assert stranger.get(image["url"], headers=cookie | known).status_code == 401


def test_of_several_first_starts_at_once_one_makes_the_administrator(empty_database_url: str, tmp_path: Path) -> None:
    """Pitfall peers §d2.17: a fresh deployment of several workers makes several administrators."""
    studios: list[tuple[House, Any]] = []
    for number in range(4):
        settings = load(
            database_url=empty_database_url,
            data_dir=tmp_path / f"data-{number}",
            outputs_dir=tmp_path / "outputs",
            models_dir=tmp_path / "models",
            admin_username=f"boss-{number}",
        )
        make_folders(settings)
        studios.append((build(settings, engine=FakeEngine()), settings))
    migrate(*studios[0])
    together = threading.Barrier(len(studios))

    def begin(number: int) -> str | None:
        house, settings = studios[number]
        together.wait(5)
        return first_admin.seed(house.studio, roles(settings), settings.admin_username, None)

    try:
        with ThreadPoolExecutor(len(studios)) as pool:
            told = list(pool.map(begin, range(len(studios))))
        users = studios[0][0].studio.store.read(lambda tx: tx.users.all())
        assert [user.role for user in users] == [Role.ADMIN]
        winner = [bool(password) for password in told]
        assert winner.count(True) == 1
        assert users[0].username == f"boss-{winner.index(True)}"
        # A first password that opens nothing would keep its server on loopback for ever.
        assert [house.studio.initial_password.kept() for house, _ in studios] == winner
    finally:
        for house, _ in studios:
            house.close()


def test_no_secret_is_in_the_repository() -> None:
    """Pitfall peers §d2.18: a tracked `.env` with the keys of the service."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    names = [name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]
    assert len(names) > 100
    assert not [name for name in names if SECRET_FILE.search(name)]
    for name in names:
        found = SECRET_TEXT.findall((ROOT / name).read_bytes().decode("utf-8", "replace"))
        assert not [text for text in found if tokens.parse(text) or not text.startswith("atl_")], name


def test_fifty_people_who_wait_and_click_meet_no_locked_database(tmp_path: Path) -> None:
    """Pitfall peers §d2.20: "database is locked", and calls that block everybody else's."""
    with fresh_database("sqlite", tmp_path) as url, live_server(tmp_path / "house", database_url=url) as crowd:
        database = sqlite3.connect(str(crowd.house.database.url.database))
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        database.close()
        people = [live_token(crowd, number) for number in range(10)]

        def visit(number: int) -> list[int]:
            with crowd.client(people[number % len(people)]) as client:
                rev = client.get("/api/v1/events").json()["rev"]
                made = client.post("/api/v1/jobs", json=JOB).status_code
                return [made, client.get("/api/v1/events", params={"since": rev, "wait": 5}).status_code]

        with ThreadPoolExecutor(50) as pool:
            assert list(pool.map(visit, range(50))) == [[202, 200]] * 50
            wait_for(lambda: not crowd.house.studio.store.read(lambda tx: tx.jobs.unfinished()), 60)

            def wait(number: int) -> int:
                with crowd.client(people[number % len(people)]) as client:
                    rev = client.get("/api/v1/events").json()["rev"]
                    return client.get("/api/v1/events", params={"since": rev, "wait": 55}).status_code

            waits = [pool.submit(wait, number) for number in range(50)]
            wait_for(lambda: len(crowd.house.studio.progress.awaited()) == len(people))
            # More sleep than the server has threads: nobody else has to wait for them.
            with crowd.client(people[0]) as client:
                assert client.get("/healthz").status_code == 200
                assert not any(each.done() for each in waits)
                queue_control.drain(crowd.house.studio, crowd.admin(), NOWHERE)
                assert client.post("/api/v1/jobs", json=JOB).json()["code"] == "service-paused"
                queue_control.resume(crowd.house.studio, crowd.admin(), NOWHERE)
            assert [each.result() for each in waits] == [200] * 50


def live_token(live: Live, number: int) -> str:
    live.person(f"peer-many-{number}")
    return live.token(f"peer-many-{number}")
