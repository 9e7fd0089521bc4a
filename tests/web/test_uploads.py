"""`/api/v1/uploads`: pictures that people bring along, and what they are used for."""

import json
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.domain.uploads import MAX_BYTES
from tests.engine.waiting import wait_for
from tests.live import JOB, Live, ended, sent_picture
from tests.pictures import picture
from tests.storage.test_uploads import bomb


def test_a_picture_is_sent_named_by_a_job_and_thrown_away(live: Live) -> None:
    with live.script_of("up-mei") as mei:
        answer = sent_picture(mei, picture(kind="JPEG", sideways=True), "image/jpeg; charset=x")
        assert answer.status_code == 201
        sent = answer.json()
        assert (sent["width"], sent["height"], sent["expires_at"][-1]) == (320, 256, "Z")
        assert mei.get("/api/v1/uploads").json() == {"items": [sent], "next_cursor": None}
        job = mei.post("/api/v1/jobs", json={**JOB, "image": sent["id"], "strength": 0.5}).json()
        assert (job["image"], job["strength"], job["denoising_steps"]) == (sent["id"], 0.5, 2)
        assert ended(mei, job["id"])["state"] == "succeeded"
        assert mei.delete(f"/api/v1/uploads/{sent['id']}").status_code == 204
        assert mei.delete(f"/api/v1/uploads/{sent['id']}").status_code == 404
        assert mei.get("/api/v1/uploads").json()["items"] == []
        refused = mei.post("/api/v1/jobs", json={**JOB, "image": sent["id"]})
        assert (refused.status_code, refused.json()["code"]) == (404, "not-found")


def test_an_upload_of_somebody_else_is_not_found(live: Live) -> None:
    with live.script_of("up-owner") as owner, live.script_of("up-thief") as thief:
        own = sent_picture(owner).json()["id"]
        assert thief.delete(f"/api/v1/uploads/{own}").status_code == 404
        assert thief.get("/api/v1/uploads").json()["items"] == []
        for field in ("image", "mask"):
            body = {**JOB, "image": sent_picture(thief).json()["id"], field: own}
            assert thief.post("/api/v1/jobs", json=body).status_code == 404
        for path in (f"/outputs/{own}", f"/api/v1/images/{own}", f"/api/v1/uploads/{own}"):
            assert owner.get(path).status_code in {404, 405}
        assert owner.delete(f"/api/v1/uploads/{own}").status_code == 204


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported-media-type"),
        (b"<svg/>", "image/svg+xml", 415, "unsupported-media-type"),
        (b"<html>", "image/png", 422, "invalid-request"),
        (bomb(60_000, 60_000), "image/png", 422, "invalid-request"),
        (bytes(MAX_BYTES + 1), "image/png", 413, "payload-too-large"),
    ],
    ids=["json", "svg", "html", "bomb", "large"],
)
def test_what_is_no_picture_of_ours_is_refused(live: Live, content: bytes, kind: str, status: int, code: str) -> None:
    with live.script_of(f"up-bad-{zlib.crc32(kind.encode() + content):08x}") as mei:
        answer = sent_picture(mei, content, kind)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert "Traceback" not in answer.text


def test_only_uploads_may_be_large(live: Live) -> None:
    with live.script_of("up-large") as mei:
        assert sent_picture(mei, bytes(2 << 20)).status_code == 422
        large = mei.post("/api/v1/jobs", content=bytes(2 << 20), headers={"Content-Type": "image/png"})
        assert large.status_code == 413
        assert mei.put("/api/v1/uploads", content=bytes(2 << 20)).status_code == 413


def test_a_body_without_a_length_is_counted_as_it_comes(live: Live) -> None:
    with live.script_of("up-chunks") as mei:
        kind = {"Content-Type": "image/png"}
        content = picture()
        pieces = (content[place : place + 100] for place in range(0, len(content), 100))
        assert mei.post("/api/v1/uploads", content=pieces, headers=kind).status_code == 201
        endless = (bytes(1 << 20) for _ in range(MAX_BYTES // (1 << 20) + 2))
        assert mei.post("/api/v1/uploads", content=endless, headers=kind).status_code == 413


def test_a_body_that_never_ends_leaves_nothing_behind(live: Live) -> None:
    live.person("up-cut")
    token = live.token("up-cut")
    host, port = live.url.removeprefix("http://").split(":")
    folder = Path(live.house.database.url.database or "").parent / "data" / "uploads"
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /api/v1/uploads HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        head += "Content-Type: image/png\r\nContent-Length: 100000\r\n\r\n"
        connection.sendall(head.encode() + picture()[:200])
    wait_for(lambda: not list(folder.glob("tmp*")) and not list(folder.rglob(".*.part")))
    owner = live.house.studio.store.read(lambda tx: tx.users.by_name("up-cut"))
    assert owner is not None
    assert not list((folder / str(owner.user.id)).glob("*.png"))


def test_a_session_needs_our_own_page_and_ends_also_while_bytes_come(live: Live) -> None:
    live.person("up-page")
    with live.browser_of("up-page") as browser:
        assert sent_picture(browser).status_code == 201
        foreign = browser.post("/api/v1/uploads", content=picture(), headers={"Origin": "https://evil.example"})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "cross-site")
        begun, go_on = threading.Event(), threading.Event()

        def slow() -> Iterator[bytes]:
            yield picture()[:100]
            begun.set()
            go_on.wait(10)
            yield picture()[100:]

        answers: list[httpx.Response] = []
        sending = threading.Thread(
            target=lambda: answers.append(
                browser.post("/api/v1/uploads", content=slow(), headers={"Content-Type": "image/png"})
            )
        )
        sending.start()
        assert begun.wait(10)
        with live.client(Origin=live.url) as other:
            other.cookies = browser.cookies
            assert other.post("/logout").status_code == 303
        go_on.set()
        sending.join(10)
        assert (answers[0].status_code, answers[0].json()["code"]) == (401, "not-authenticated")


def test_loras_are_listed_and_named(live: Live) -> None:
    folder = live.outputs.parent / "models" / "loras"
    folder.mkdir(exist_ok=True)
    (folder / "ink.safetensors").write_bytes(b"")
    (folder / "ink.json").write_text(json.dumps({"title": "Ink wash", "triggers": ["inkwash"]}))
    with live.script_of("up-lora") as mei:
        listed = mei.get("/api/v1/loras").json()
        assert listed == {
            "items": [{"name": "ink", "title": "Ink wash", "triggers": ["inkwash"]}],
            "next_cursor": None,
        }
        job = mei.post("/api/v1/jobs", json={**JOB, "loras": [{"name": "ink", "strength": 0.8}]}).json()
        assert ended(mei, job["id"])["loras"] == [{"name": "ink", "strength": 0.8}]
        wrong = mei.post("/api/v1/jobs", json={**JOB, "loras": [{"name": "gone"}]})
        assert (wrong.status_code, wrong.json()["errors"]) == (
            422,
            [{"field": "loras", "message": "There is no LoRA gone."}],
        )
