"""kill -9 in the middle of a picture: nothing is lost, nothing is charged twice, nothing is half written."""

from pathlib import Path

import httpx
import pytest

from tests.engine.waiting import wait_for
from tests.serving import Served, job_of, serving, until_ended

# Three real programs after another, each loading torch.
pytestmark = pytest.mark.timeout(300)
SLOW = {"prompt": "a red circle", "width": 384, "height": 384, "steps": 20}


def running_with_a_picture(mei: httpx.Client, count: int) -> str:
    """A job of which the first picture is done and a later one is under way."""
    job_id: str = mei.post("/api/v1/jobs", json={**SLOW, "count": count}).json()["id"]

    def is_in_the_middle() -> bool:
        job = job_of(mei, job_id)
        return job["state"] == "running" and len(job["images"]) >= 1

    wait_for(is_in_the_middle, 60)
    return job_id


def files(served: Served) -> list[str]:
    return sorted(path.name for path in (served.folder / "outputs").rglob("*") if path.is_file())


def check(served: Served, mei: httpx.Client, job_id: str, count: int) -> None:
    job = until_ended(mei, job_id)
    assert job["state"] == "succeeded", job
    assert [image["index"] for image in job["images"]] == list(range(count))
    quota = mei.get("/api/v1/me").json()["quota"]
    assert (quota["used"], quota["reserved"]) == (count, 0)
    assert len(files(served)) == count
    assert not any(name.endswith(".part") for name in files(served))
    assert all(mei.get(image["url"]).status_code == 200 for image in job["images"])
    served.manage("db", "check")


def test_a_killed_engine_comes_back_and_so_does_its_job_while_the_page_stays(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        served.until_ready()
        with served.script_of("mei") as mei:
            job_id = running_with_a_picture(mei, 2)
            served.engine().kill()
            assert served.get("/login") == 200
            check(served, mei, job_id, 2)
        assert served.stop() == 0


def test_a_stopped_server_keeps_waiting_and_running_jobs_with_their_reservations(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        first.until_ready()
        mei = first.script_of("mei")
        running = running_with_a_picture(mei, 2)
        waiting = mei.post("/api/v1/jobs", json={**SLOW, "width": 256, "height": 256, "steps": 2}).json()["id"]
        assert first.stop() == 0
    with serving(tmp_path, port=first.port) as second:
        second.until_open()
        assert [until_ended(mei, each)["state"] for each in (running, waiting)] == ["succeeded", "succeeded"]
        quota = mei.get("/api/v1/me").json()["quota"]
        assert (quota["used"], quota["reserved"]) == (3, 0)
        second.manage("db", "check")
    mei.close()
