"""What Gradio leaves open when it is mounted, found by trying it with two people."""

import secrets
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from app.flows import queue_control
from app.flows.studio import NOWHERE
from app.flows.users import change_user
from app.web.page import build_page
from tests.databases import fresh_database
from tests.engine.waiting import wait_for
from tests.gradio_events import ran, server_events
from tests.houses import ORIGIN, PASSWORD, make_house
from tests.live import JOB, Live, ended
from tests.pitfalls.inside import inside

GENERATE: dict[str, Any] = {"data": ["a red circle", 256, 256, 2, 1, 1]}


def reading_page() -> gr.Blocks:
    """Tells what stands in the file that it is given."""
    page = gr.Blocks(analytics_enabled=False)
    with page:
        file, told = gr.File(), gr.Textbox()
        gr.Button().click(lambda path: Path(path).read_text(), file, told, api_name="read")
    return page


def picture_of(live: Live, client: httpx.Client, name: str) -> tuple[dict[str, Any], Path]:
    """A finished job of that person, and the file of its picture."""
    job = ended(client, client.post("/api/v1/jobs", json=JOB).json()["id"])
    (file,) = (live.outputs / name).rglob(f"*{job['images'][0]['id']}.png")
    return job, file


def joined(client: httpx.Client, event: dict[str, Any], session: str) -> httpx.Response:
    body = {"data": ["x"] * len(event["inputs"]), "fn_index": event["id"], "session_hash": session}
    return client.post("/gradio_api/queue/join", json=body)


def test_a_mounted_page_reads_only_files_that_were_uploaded_to_it(live: Live, tmp_path: Path) -> None:
    """Pitfall gradio §10.1: a mounted page that does not know it is launched hands out any file a client names."""
    live.person("gr-reader")
    (tmp_path / "secret.txt").write_text("TOP SECRET")

    with inside(live, reading_page(), "gr-reader") as client:

        def read(path: object) -> tuple[int, str]:
            file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
            answer = client.post("/gradio_api/run/read", json={"data": [file]})
            return answer.status_code, answer.text

        own = client.post("/gradio_api/upload", files={"files": ("own.txt", b"my own words")}).json()[0]
        status, text = read(own)
        assert (status, "my own words" in text) == (200, True)
        for path in (tmp_path / "secret.txt", "/etc/hostname", Path(own).parent / "../../../atelier.lock"):
            status, text = read(path)
            assert (status, "TOP SECRET" in text) == (500, False), path


def test_nobody_reaches_what_belongs_to_somebody_else(live: Live) -> None:
    """Pitfall gradio §10.4: outputs, uploads, sessions and deep links of one user are open to every other."""
    with live.script_of("gr-alice") as alice, live.script_of("gr-bob") as bob:
        job, file = picture_of(live, alice, "gr-alice")
        image, session = job["images"][0], secrets.token_hex(6)
        assert joined(alice, server_events(alice)[0], session).status_code == 200
        inner = file.relative_to(live.outputs).as_posix()
        hers = [image["url"], image["thumb_url"], f"/api/v1/images/{image['id']}", f"/api/v1/jobs/{job['id']}"]
        closed = [f"/gradio_api/deep_link?session_hash={session}", "/gradio_api/upload_progress?upload_id=x"]
        closed += [f"/gradio_api/file={file}", f"/gradio_api/file/{file}", f"/outputs/{inner}", f"/static/{inner}"]
        closed += [f"/gradio_api/queue/data?session_hash={session}", f"/gradio_api/heartbeat/{session}"]
        assert [alice.get(path).status_code for path in hers] == [200] * len(hers)
        for path in [*hers, *closed]:
            with bob.stream("GET", path) as answer:
                assert answer.status_code == 404, path
                assert JOB["prompt"] not in answer.read().decode()


@pytest.mark.timeout(60)
def test_sixty_events_that_wait_do_not_hold_up_a_small_one(live: Live) -> None:
    """Pitfall gradio §10.9: events of all kinds share Gradio's slots, and those that wait hold up all others."""
    studio = live.house.studio
    names = [f"gr-waiting-{number}" for number in range(3)]
    queue_control.pause(studio, live.admin(), NOWHERE)
    try:
        for name in names:
            with live.script_of(name) as waiting:
                statuses = [waiting.post("/gradio_api/call/generate", json=GENERATE).status_code for _ in range(20)]
            assert statuses == [200] * 20
        with live.script_of("gr-small") as client:
            small = next(event for event in server_events(client) if event["api_name"].startswith("arrive"))
            assert ran(client, small)
    finally:
        for name in names:
            change_user(studio, live.admin(), name, {"disabled": True}, NOWHERE)
        queue_control.resume(studio, live.admin(), NOWHERE)


def test_gradio_itself_does_not_know_the_folders_of_people(live: Live) -> None:
    """Pitfall peers G1: every user may fetch every file of `allowed_paths`, so no folder of a person may be there."""
    live.person("gr-curious")
    with live.script_of("gr-outputs") as owner:
        _, file = picture_of(live, owner, "gr-outputs")
    page = build_page(live.house.studio)
    with inside(live, page, "gr-curious") as client:
        for name in (str(file), str(file).replace("/", "%2F"), f"{live.outputs}/x/../gr-outputs/{file.name}"):
            assert client.get(f"/gradio_api/file={name}").status_code in {403, 404}, name
    assert page.allowed_paths == []


def test_no_picture_is_ever_in_gradios_own_cache(live: Live) -> None:
    """Pitfall peers G2: whatever Gradio copies into its cache can be fetched by every user who knows the address."""
    with live.script_of("gr-cached") as client:
        event = client.post("/gradio_api/call/generate", json=GENERATE).json()["event_id"]
        answer = client.get(f"/gradio_api/call/generate/{event}").text
        assert f"{live.url}/outputs/" in answer
        assert all(ran(client, event) for event in server_events(client) if event["api_name"].startswith("arrive"))
    cache = live.outputs.parent / "data/gradio"
    assert [path.name for path in cache.rglob("*") if path.suffix in {".png", ".webp", ".jpg", ".json"}] == []


@pytest.mark.parametrize("route", ["run/{}", "run/{}/", "api/{}", "api/{}/", "run%2F{}", "run/../run/{}", "call/v2/{}"])
def test_no_spelling_of_a_direct_call_runs_past_the_queue(live: Live, route: str) -> None:
    """Pitfall peers G4: calls that do not join the queue pass its limits by."""
    name = f"gr-direct-{secrets.token_hex(3)}"
    with live.script_of(name) as client:
        for event in ("predict", "generate", "send"):
            body = {**GENERATE, "fn_index": 0, "session_hash": secrets.token_hex(6)}
            assert client.post(f"/gradio_api/{route.format(event)}", json=body).status_code == 404
        assert client.get("/api/v1/jobs").json()["items"] == []


def test_nobody_cancels_or_resets_the_events_of_somebody_else(live: Live) -> None:
    """Pitfall peers G6: Gradio lets anybody, signed in or not, cancel any event."""
    queue_control.pause(live.house.studio, live.admin(), NOWHERE)
    try:
        with live.script_of("gr-waits") as waits, live.script_of("gr-cancels") as other, live.client() as stranger:
            event = waits.post("/gradio_api/call/generate", json=GENERATE).json()["event_id"]
            wait_for(lambda: len(waits.get("/api/v1/jobs").json()["items"]) == 1)
            body = {"event_id": event, "session_hash": "x", "fn_index": 0}
            for path in ("/gradio_api/cancel", "/gradio_api/reset", "/gradio_api/cancel/"):
                assert other.post(path, json=body).status_code == 404
                assert stranger.post(path, json=body).status_code == 401
            queue_control.resume(live.house.studio, live.admin(), NOWHERE)
            assert "/outputs/" in waits.get(f"/gradio_api/call/generate/{event}").text
    finally:
        queue_control.resume(live.house.studio, live.admin(), NOWHERE)


def test_another_site_reads_nothing_and_starts_nothing_under_a_public_name(live: Live) -> None:
    """Pitfall peers G8: under any name but localhost Gradio reflects every origin and runs what it posts."""
    live.person("gr-visited")
    with live.browser_of("gr-visited") as browser:
        evil = {"Origin": "https://evil.example", "Host": "team.example.com"}
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        event = server_events(browser)[0]
        answers = [
            browser.get("/", headers=evil),
            browser.get("/config", headers=evil),
            browser.options("/gradio_api/queue/join", headers=evil | asks),
            browser.post("/gradio_api/call/generate", json=GENERATE, headers=evil),
            browser.post("/gradio_api/queue/join", json={"data": [], "fn_index": event["id"]}, headers=evil),
            browser.post("/api/v1/jobs", json=JOB, headers=evil),
        ]
        assert [answer.status_code for answer in answers[3:]] == [403] * 3
        told = {name for answer in answers for name in answer.headers}
        assert not told & {"access-control-allow-origin", "access-control-allow-credentials"}
        assert browser.get("/api/v1/jobs").json()["items"] == []


def test_nothing_of_a_person_is_served_as_a_page(live: Live) -> None:
    """Pitfall peers G9: Gradio serves HTML files of its allowed folders as pages of the site itself."""
    with live.script_of("gr-page") as client:
        job, file = picture_of(live, client, "gr-page")
        file.with_suffix(".html").write_text("<script>alert(1)</script>")
        page = f"/outputs/{file.with_suffix('.html').relative_to(live.outputs).as_posix()}"
        assert client.get(page).status_code == 404
        assert client.get(f"/gradio_api/file={file.with_suffix('.html')}").status_code == 404
        for path in (job["images"][0]["url"], f"{job['images'][0]['url']}?download", job["images"][0]["thumb_url"]):
            headers = client.get(path).headers
            assert headers["content-type"] in {"image/png", "image/webp"}
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        file.with_suffix(".html").unlink()


def test_what_strangers_may_read_tells_nothing_and_no_history_is_kept_in_browsers(live: Live) -> None:
    """Pitfall peers G11: routes that answer without a login, and prompts that Gradio keeps in the browser."""
    with live.script_of("gr-told") as client:
        _, file = picture_of(live, client, "gr-told")
        config = client.get("/config").json()
        assert config["run_history"] is False
        told = (JOB["prompt"], file.stem, str(live.outputs.parent), "Traceback")
        with live.client() as stranger:
            for path in ("/login", "/healthz", "/readyz", "/theme.css", "/manifest.json", "/gradio_api/app_id"):
                answer = stranger.get(path)
                assert "set-cookie" not in answer.headers
                assert not [word for word in (*told, "gr-told") if word in answer.text], path
        # What is in the constructors of components reaches everybody who has signed in.
        assert not [word for word in told if word in client.get("/").text + str(config)]


def test_a_restart_signs_nobody_out_and_brings_nobody_back(tmp_path: Path) -> None:
    """Pitfall peers G12: Gradio's own logins live in memory: a restart ends them all, and no time ever does."""
    from app.flows.identify import who_has_session
    from app.flows.sign_in import sign_in, sign_out

    with fresh_database("sqlite", tmp_path) as url:
        with make_house(url, tmp_path) as before:
            stays, left = (before.person(name) for name in ("stays", "left"))
            kept, gone = (sign_in(before.studio, name, PASSWORD, ORIGIN) for name in ("stays", "left"))
            actor = who_has_session(before.studio, gone)
            assert actor is not None
            sign_out(before.studio, actor, ORIGIN)
            assert stays.user_id != left.user_id
        with make_house(url, tmp_path) as after:
            assert who_has_session(after.studio, kept) is not None
            assert who_has_session(after.studio, gone) is None
            after.clock.turn(days=30)
            assert who_has_session(after.studio, kept) is None


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/proc/self/environ",
        "../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "app/web/guard.py",
        "launch.py",
    ],
)
def test_no_file_of_the_machine_or_the_program_is_served(live: Live, path: str) -> None:
    """Pitfall peers ok1: the address `file=` with a path out of Gradio's folders, with and without the guard."""
    name = f"gr-file-{secrets.token_hex(3)}"
    with live.script_of(name) as client, inside(live, build_page(live.house.studio), name) as bare:
        root = Path(__file__).parents[2]
        for form in (path, str(root / path)):
            for spelled in (f"file={form}", f"file/{form}"):
                assert client.get(f"/gradio_api/{spelled}").status_code == 404
                assert bare.get(f"/gradio_api/{spelled}").status_code in {403, 404}, spelled


def test_bodies_and_uploads_have_a_limit(live: Live) -> None:
    """Pitfall peers ok3: without a limit on their size, uploads and bodies fill the memory and the disk."""
    live.person("gr-large")
    large = b"username=" + b"x" * 2_000_000
    json, form = "application/json", "application/x-www-form-urlencoded"
    with live.client(live.token("gr-large")) as client:
        for path, kind in (("/gradio_api/queue/join", json), ("/gradio_api/call/generate", json), ("/login", form)):
            pieces = (large[start : start + 65536] for start in range(0, len(large), 65536))
            assert client.post(path, content=large, headers={"Content-Type": kind}).status_code == 413, path
            assert client.post(path, content=pieces, headers={"Content-Type": kind}).status_code in {400, 413}, path
    with inside(live, build_page(live.house.studio), "gr-large") as bare:
        files = {"files": ("large.png", large)}
        assert bare.post("/gradio_api/upload", files=files).status_code == 413
