"""What a running job promises to be: shown to its owner while it runs, and to nobody else."""

import io

import pytest
from PIL import Image

from tests.engine.waiting import wait_for
from tests.live import JOB, Live, ended


@pytest.mark.timeout(60)
def test_a_preview_is_for_its_owner_alone_and_goes_with_the_job(live: Live) -> None:
    live.engine.previews = True
    live.engine.hold()
    try:
        with (
            live.script_of("preview-owner") as owner,
            live.script_of("preview-other") as other,
            live.script_of("preview-admin", "admin") as admin,
        ):
            job = owner.post("/api/v1/jobs", json=JOB).json()["id"]
            address = f"/api/v1/jobs/{job}/preview"
            assert owner.get(address).status_code == 404
            live.engine.let(1)
            wait_for(lambda: owner.get(address).status_code == 200)
            shown = owner.get(address)
            assert shown.headers["content-type"] == "image/webp"
            assert shown.headers["cache-control"] == "no-store"
            with Image.open(io.BytesIO(shown.content)) as picture:
                assert picture.format == "WEBP"
            assert [client.get(address).status_code for client in (other, admin)] == [404, 404]
            assert not [path for path in live.outputs.rglob("*") if job in path.name]
            live.engine.let(None)
            assert ended(owner, job)["state"] == "succeeded"
            assert owner.get(address).status_code == 404
    finally:
        live.engine.previews = False
        live.engine.let(None)
