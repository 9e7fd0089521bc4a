"""`/api/v1` as scripts use it."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image

from app.flows import queue_control
from app.flows.quota_ledger import adjust_quota
from app.flows.studio import NOWHERE
from tests.engine.waiting import wait_for
from tests.live import JOB, Live, ended


def test_a_script_submits_waits_and_fetches_its_pictures(live: Live) -> None:
    with live.script_of("api-mei") as mei:
        answer = mei.post("/api/v1/jobs", json={**JOB, "count": 2, "seed": 4294967295})
        assert answer.status_code == 202
        job = answer.json()
        assert (job["cost"], job["work"], job["position"], job["images"]) == (2, 0.524288, 1, [])

        done = ended(mei, job["id"])

        assert done["state"] == "succeeded"
        assert [image["seed"] for image in done["images"]] == [4294967295, 0]
        picture = mei.get(done["images"][0]["url"])
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
        assert Image.open(io.BytesIO(picture.content)).size == (256, 256)
        thumb = mei.get(done["images"][0]["thumb_url"])
        assert thumb.headers["content-type"] == "image/webp"
        assert mei.get("/api/v1/me").json()["quota"]["used"] == 2
        assert done["created_at"].endswith("Z")


def test_a_picture_and_a_job_of_somebody_else_are_not_found(live: Live) -> None:
    """Pitfall peers §d2.3: ids in requests that nobody checks again; reading, changing and deleting differ."""
    with live.script_of("api-owner") as owner, live.script_of("api-other") as other:
        job = ended(owner, owner.post("/api/v1/jobs", json=JOB).json()["id"])
        image = job["images"][0]["id"]
        for method, path in [
            ("GET", f"/outputs/{image}"),
            ("GET", f"/outputs/{image}/thumb"),
            ("GET", f"/api/v1/images/{image}"),
            ("DELETE", f"/api/v1/images/{image}"),
            ("GET", f"/api/v1/jobs/{job['id']}"),
            ("DELETE", f"/api/v1/jobs/{job['id']}"),
        ]:
            answer = other.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), path
        assert owner.get(f"/outputs/{image}").status_code == 200


def test_a_deleted_picture_is_gone_and_stays_charged(live: Live) -> None:
    with live.script_of("api-bin") as mei:
        image = ended(mei, mei.post("/api/v1/jobs", json=JOB).json()["id"])["images"][0]["id"]
        assert mei.delete(f"/api/v1/images/{image}").status_code == 204
        assert mei.get(f"/outputs/{image}").status_code == 404
        assert mei.delete(f"/api/v1/images/{image}").status_code == 404
        assert mei.get("/api/v1/images").json() == {"items": [], "next_cursor": None}
        assert mei.get("/api/v1/me").json()["quota"]["used"] == 1


def test_lists_go_page_by_page_newest_first(live: Live) -> None:
    with live.script_of("api-pages") as mei:
        made = [mei.post("/api/v1/jobs", json=JOB).json()["id"] for _ in range(3)]
        for job_id in made:
            ended(mei, job_id)
        first = mei.get("/api/v1/jobs", params={"limit": 2}).json()
        rest = mei.get("/api/v1/jobs", params={"limit": 2, "cursor": first["next_cursor"]}).json()
        assert [job["id"] for job in first["items"] + rest["items"]] == made[::-1]
        assert rest["next_cursor"] is None
        assert len(mei.get("/api/v1/jobs", params={"state": "succeeded"}).json()["items"]) == 3
        assert len(mei.get("/api/v1/images", params={"limit": 1}).json()["items"]) == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=zzz", "cursor"),
        ("state=lost", "state"),
    ],
)
def test_a_wrong_query_is_named(live: Live, query: str, field: str) -> None:
    live.person(f"api-query-{field}-{query[-1]}")
    with live.client(live.token(f"api-query-{field}-{query[-1]}")) as mei:
        answer = mei.get(f"/api/v1/jobs?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_the_same_key_gives_the_same_job_once(live: Live) -> None:
    with live.script_of("api-key") as mei:
        answers = [mei.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "k 1"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 200]
        assert answers[0].json()["id"] == answers[1].json()["id"]
        other = mei.post("/api/v1/jobs", json={**JOB, "count": 2}, headers={"Idempotency-Key": "k 1"})
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
        quota = mei.get("/api/v1/me").json()["quota"]
        assert quota["used"] + quota["reserved"] == 1


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "bad-request"),
        (b"[]", "application/json", 400, "bad-request"),
        (b'{"prompt": "\xff"}', "application/json", 400, "bad-request"),
        (b"[" * 100_000, "application/json", 400, "bad-request"),
        (b'{"prompt": "x", "seed": ' + b"9" * 5000 + b"}", "application/json", 400, "bad-request"),
        (b'{"prompt": "x"}', "text/plain", 415, "unsupported-media-type"),
        (b'{"prompt": "x", "guidance_scale": NaN}', "application/json", 422, "invalid-request"),
        (b'{"prompt": "\\ud800"}', "application/json", 422, "invalid-request"),
        (b'{"prompt": "' + b"x" * 2_000_000 + b'"}', "application/json", 413, "payload-too-large"),
    ],
    ids=["broken", "list", "latin", "deep", "digits", "text", "nan", "surrogate", "huge"],
)
def test_bad_bodies_are_refused_with_a_problem(live: Live, content: bytes, kind: str, status: int, code: str) -> None:
    name = f"api-body-{code[:4]}-{len(content) % 999}"
    with live.script_of(name) as mei:
        answer = mei.post("/api/v1/jobs", content=content, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert mei.get("/api/v1/me").json()["quota"]["reserved"] == 0


def test_a_body_without_an_announced_length_is_limited_too(live: Live) -> None:
    with live.script_of("api-chunks") as mei:
        answer = mei.post(
            "/api/v1/jobs", content=(b"x" * 65536 for _ in range(40)), headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 413


def test_an_exceeded_quota_tells_when_to_come_back(live: Live) -> None:
    with live.script_of("api-quota", quota_daily=1) as mei:
        assert mei.post("/api/v1/jobs", json=JOB).status_code == 202
        answer = mei.post("/api/v1/jobs", json=JOB)
    assert (answer.status_code, answer.json()["code"]) == (429, "quota-exceeded")
    assert 1 <= int(answer.headers["retry-after"]) <= 25 * 3600


def test_unlimited_is_written_as_null(live: Live) -> None:
    with live.script_of("api-unlimited", quota_daily="unlimited") as mei:
        quota = mei.get("/api/v1/me").json()["quota"]
    assert (quota["daily"], quota["remaining"]) == (None, None)


def test_cancelling_ends_a_job_once(live: Live) -> None:
    live.engine.step_delay = 0.2
    try:
        with live.script_of("api-cancel") as mei:
            job = mei.post("/api/v1/jobs", json={**JOB, "steps": 50}).json()
            answer = mei.delete(f"/api/v1/jobs/{job['id']}")
            assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
            assert mei.delete(f"/api/v1/jobs/{job['id']}").status_code == 409
            assert mei.get("/api/v1/me").json()["quota"]["reserved"] == 0
    finally:
        live.engine.step_delay = 0.01


def quiet_seconds(script: httpx.Client, rev: str) -> float:
    """How long a poll of one second waits without news."""
    started = time.monotonic()
    quiet = script.get("/api/v1/events", params={"since": rev, "wait": 1}).json()
    assert quiet == {"rev": rev, "jobs": []}
    return time.monotonic() - started


def test_the_long_poll_tells_what_changed_and_nothing_else(live: Live) -> None:
    with live.script_of("api-poll") as mei:
        first = mei.get("/api/v1/events").json()
        assert first["jobs"] == []
        # What other tests have steered may still be told to everybody, which ends a poll.
        assert max(quiet_seconds(mei, first["rev"]) for _ in range(3)) >= 0.9

        news: list[dict[str, Any]] = []

        def wait_for_news() -> None:
            with live.client(mei.headers["authorization"].split()[1]) as again:
                news.append(again.get("/api/v1/events", params={"since": first["rev"], "wait": 20}).json())

        waiting = threading.Thread(target=wait_for_news)
        waiting.start()
        job = mei.post("/api/v1/jobs", json=JOB).json()
        waiting.join(10)
        assert [each["id"] for each in news[0]["jobs"]] == [job["id"]]
        rev, states = news[0]["rev"], [news[0]["jobs"][0]["state"]]
        while states[-1] not in {"succeeded", "failed"}:
            more = mei.get("/api/v1/events", params={"since": rev, "wait": 10}).json()
            rev = more["rev"]
            states += [each["state"] for each in more["jobs"]]
        assert states[-1] == "succeeded"
        assert mei.get("/api/v1/events", params={"since": "from another life", "wait": 30}).json()["jobs"] == []


def test_a_disabled_person_loses_the_open_poll_at_once(live: Live) -> None:
    live.person("api-disabled")
    live.person("api-boss", "admin")
    with live.client(live.token("api-disabled")) as mei, live.client(live.token("api-boss")) as boss:
        rev = mei.get("/api/v1/events").json()["rev"]
        answers: list[httpx.Response] = []
        waiting = threading.Thread(
            target=lambda: answers.append(mei.get("/api/v1/events", params={"since": rev, "wait": 30}))
        )
        waiting.start()
        assert boss.patch("/api/v1/admin/users/api-disabled", json={"disabled": True}).json()["disabled"] is True
        waiting.join(5)
        assert answers[0].status_code == 401


def test_scopes_narrow_a_token(live: Live) -> None:
    live.person("api-scoped", "admin")
    with live.client(live.token("api-scoped", "read")) as reader:
        assert reader.get("/api/v1/jobs").status_code == 200
        for refused in (reader.post("/api/v1/jobs", json=JOB), reader.get("/api/v1/admin/users")):
            assert (refused.status_code, refused.json()["code"]) == (403, "not-permitted")
            assert refused.json()["detail"].startswith("This token does not allow this (")
    with live.client(live.token("api-scoped", "generate")) as painter:
        assert painter.post("/api/v1/jobs", json=JOB).status_code == 202
        assert painter.get("/account/draft").status_code == 403


def test_what_does_not_exist_is_a_problem_document_too(live: Live) -> None:
    with live.script_of("api-lost") as mei:
        assert mei.get("/api/v1/nothing").json()["code"] == "not-found"
        assert mei.get("/api/v2/me").json()["code"] == "not-found"
        wrong = mei.put("/api/v1/me")
        assert (wrong.status_code, wrong.json()["code"]) == (405, "method-not-allowed")
        assert mei.post("/api/v1/images/search").status_code == 404


def test_errors_speak_the_language_of_the_person(live: Live) -> None:
    with live.script_of("api-chinese") as mei:
        answer = mei.get("/api/v1/jobs/none", headers={"Accept-Language": "zh-Hans-CN,zh;q=0.9"})
    assert answer.json()["detail"] == "内容不存在，或不属于您。"


def test_an_engine_that_failed_refuses_new_jobs_clearly(live: Live) -> None:
    with live.script_of("api-broken") as mei:
        live.engine.break_down()
        try:
            answer = mei.post("/api/v1/jobs", json=JOB)
            assert (answer.status_code, answer.json()["code"]) == (503, "engine-unavailable")
            ready = mei.get("/readyz")
            assert (ready.status_code, ready.json()["reasons"]) == (503, ["engine-failed"])
            assert mei.get("/healthz").status_code == 200
        finally:
            live.engine.stop(1)
            live.engine.start()


def test_a_poll_ends_at_once_when_the_queue_is_drained_or_something_is_added_to_my_day(live: Live) -> None:
    with live.script_of("api-noted") as mei, ThreadPoolExecutor(1) as pool:
        account = live.house.studio.store.read(lambda tx: tx.users.by_name("api-noted"))
        assert account is not None
        mine = account.user.id
        for steer in (
            lambda: queue_control.drain(live.house.studio, live.admin(), NOWHERE),
            lambda: queue_control.resume(live.house.studio, live.admin(), NOWHERE),
            lambda: adjust_quota(live.house.studio, live.admin(), "api-noted", {"amount": 1}, NOWHERE),
        ):
            rev = mei.get("/api/v1/events").json()["rev"]
            poll = pool.submit(mei.get, "/api/v1/events", params={"since": rev, "wait": 25})
            wait_for(lambda: mine in live.house.studio.progress.awaited())
            steer()
            assert poll.result(10).json() == {"rev": rev, "jobs": []}
