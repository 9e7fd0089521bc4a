"""`/api/v1/admin` as administrators' scripts use it."""

from tests.engine.waiting import wait_for
from tests.houses import PASSWORD
from tests.live import JOB, Live, ended


def test_administrators_manage_people_through_the_api(live: Live) -> None:
    with live.script_of("api-root", "admin") as boss:
        made = boss.post(
            "/api/v1/admin/users",
            json={
                "username": "api-new",
                "password": PASSWORD,
                "role": "member",
                "department": "设计",
                "quota_daily": 5,
            },
        )
        assert made.status_code == 201
        assert {key: made.json()[key] for key in ("username", "role", "department", "quota_daily", "disabled")} == {
            "username": "api-new",
            "role": "member",
            "department": "设计",
            "quota_daily": 5,
            "disabled": False,
        }
        again = boss.post("/api/v1/admin/users", json={"username": "api-new", "password": PASSWORD, "role": "member"})
        assert again.status_code == 409
        changed = boss.patch("/api/v1/admin/users/api-new", json={"quota_daily": "default", "role": "guest"})
        assert (changed.json()["quota_daily"], changed.json()["role"]) == ("default", "guest")
        assert boss.patch("/api/v1/admin/users/nobody", json={"role": "guest"}).status_code == 404
        wrong = boss.patch("/api/v1/admin/users/api-new", json={"role": "king", "shoe": 1})
        assert wrong.status_code == 422
        first = boss.get("/api/v1/admin/users", params={"limit": 1}).json()
        assert [user["username"] for user in first["items"]] == ["admin"]
        rest = boss.get("/api/v1/admin/users", params={"cursor": first["next_cursor"]}).json()
        assert {"api-root", "api-new"} <= {user["username"] for user in rest["items"]}
        assert boss.get("/api/v1/admin/audit", params={"cursor": first["next_cursor"]}).status_code == 422
        events = boss.get("/api/v1/admin/audit", params={"actor": "api-root", "action": "user:create"}).json()
        assert events["items"][0]["subject"] == "api-new"
        assert PASSWORD not in str(events)


def test_a_paused_queue_accepts_jobs_and_starts_none(live: Live) -> None:
    with live.script_of("api-steer", "admin") as boss:
        assert boss.post("/api/v1/admin/queue/pause").json()["paused"] is True
        job = boss.post("/api/v1/jobs", json=JOB).json()
        waiting = boss.get("/api/v1/admin/queue").json()["items"]
        assert job["id"] in [each["id"] for each in waiting]
        assert "prompt" not in waiting[0]
        assert (waiting[0]["position"], waiting[0]["step"]) == (1, None)
        assert boss.get(f"/api/v1/jobs/{job['id']}").json()["state"] == "queued"
        live.engine.hold()
        assert boss.post("/api/v1/admin/queue/resume").json()["paused"] is False
        live.engine.let(2)
        wait_for(lambda: [each["step"] for each in boss.get("/api/v1/admin/queue").json()["items"]] == [2])
        live.engine.let(None)
        assert ended(boss, job["id"])["state"] == "succeeded"


def test_members_reach_nothing_of_the_administrators(live: Live) -> None:
    with live.script_of("api-plain") as mei:
        for method, path in [
            ("GET", "/api/v1/admin/users"),
            ("POST", "/api/v1/admin/users"),
            ("PATCH", "/api/v1/admin/users/admin"),
            ("GET", "/api/v1/admin/audit"),
            ("GET", "/api/v1/admin/queue"),
            ("POST", "/api/v1/admin/queue/pause"),
            ("POST", "/api/v1/admin/queue/resume"),
        ]:
            answer = mei.request(method, path, json={} if method in {"POST", "PATCH"} else None)
            assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted"), path
