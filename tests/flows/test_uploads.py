"""What people bring along: how many, how long it stays, who may."""

import pytest

from app.domain.errors import (
    ConflictError,
    InvalidRequestError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    UnsupportedMediaTypeError,
)
from app.domain.people import Principal
from app.flows import uploads
from app.flows.loras import list_loras
from app.flows.recover import Reaping
from app.flows.sessions import end_sessions_of
from tests.flows.uploading import upload
from tests.houses import ORIGIN, Building
from tests.pictures import picture


def listed(light: Building, mei: Principal) -> list[str]:
    return [each.id for each in uploads.list_uploads(light.studio, mei, ORIGIN)]


def test_uploads_go_a_day_after_their_last_job_but_never_under_one(light: Building) -> None:
    mei = light.person("mei")
    unused, used, running = (upload(light, mei) for _ in range(3))
    light.clock.turn(hours=23)
    for each in (used, running):
        light.click(mei, image=each.id)
    light.work()
    assert listed(light, mei)[2:] == [unused.id]
    light.clock.turn(hours=23)
    assert set(listed(light, mei)) == {used.id, running.id}
    uploads.sweep_uploads(light.studio)
    with pytest.raises(NotFoundError):
        light.click(mei, image=unused.id)
    assert {each.id for each in light.studio.uploads.of_user(mei.user_id)} == {used.id, running.id}
    light.clock.turn(hours=3)
    uploads.sweep_uploads(light.studio)
    assert {each.id for each in light.studio.uploads.of_user(mei.user_id)} == {running.id}
    with pytest.raises(ConflictError):
        uploads.delete_upload(light.studio, mei, running.id, ORIGIN)
    light.work()
    uploads.sweep_uploads(light.studio)
    assert light.studio.uploads.of_user(mei.user_id) == ()


def test_an_upload_can_be_thrown_away_once(light: Building) -> None:
    mei = light.person("mei")
    own = upload(light, mei)
    uploads.delete_upload(light.studio, mei, own.id, ORIGIN)
    with pytest.raises(NotFoundError):
        uploads.delete_upload(light.studio, mei, own.id, ORIGIN)
    assert [action for _, action, _ in light.actions()][-2:] == ["upload:create", "upload:delete"]


def test_whoever_was_signed_out_while_the_bytes_came_leaves_nothing(light: Building) -> None:
    mei = light.person("mei")
    with uploads.begin_upload(light.studio, mei, "image/png", ORIGIN) as file:
        file.write(picture())
        end_sessions_of(light.studio, light.console(), "mei", ORIGIN)
        with pytest.raises(NotAuthenticatedError):
            uploads.keep_upload(light.studio, mei, file, ORIGIN)
    assert light.studio.uploads.of_user(mei.user_id) == ()


def test_uploads_are_few_and_not_too_often(light: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    mei = light.person("mei")
    monkeypatch.setattr(uploads, "A_MINUTE", 4)
    monkeypatch.setattr(uploads, "MOST", 2)
    for _ in range(2):
        upload(light, mei)
    with pytest.raises(ConflictError):
        upload(light, mei)
    monkeypatch.setattr(uploads, "MOST", 100)
    monkeypatch.setattr(uploads, "MOST_BYTES", 100)
    with pytest.raises(ConflictError):
        upload(light, mei)
    with pytest.raises(RateLimitedError):
        upload(light, mei)
    assert len(light.studio.uploads.of_user(mei.user_id)) == 2


def test_a_guest_uploads_nothing_and_a_wrong_type_is_told(light: Building) -> None:
    guest, mei = light.person("guest", "guest"), light.person("mei")
    with pytest.raises(NotPermittedError):
        uploads.begin_upload(light.studio, guest, "image/png", ORIGIN)
    with pytest.raises(NotPermittedError):
        list_loras(light.studio, guest, ORIGIN)
    for kind in ("", "image/gif", "image/svg+xml", "application/json", "text/html"):
        with pytest.raises(UnsupportedMediaTypeError):
            uploads.begin_upload(light.studio, mei, kind, ORIGIN)
    with pytest.raises(InvalidRequestError):
        upload(light, mei, b"no picture")


def test_the_sweep_looks_at_everybodys_hourly_and_outlives_a_bad_disk(
    light: Building, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mei = light.person("mei")
    upload(light, mei)
    light.clock.turn(hours=26)
    reap = Reaping(light.studio)
    reap()
    assert light.studio.uploads.of_user(mei.user_id) == ()

    def fail(*_: object) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(type(light.studio.uploads), "of_all", fail)
    reap()
    Reaping(light.studio)()
    assert "input/output error" in caplog.text


def test_uploads_that_come_at_once_are_few_too(light: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    mei = light.person("mei")
    monkeypatch.setattr(uploads, "MOST", 2)
    coming = [uploads.begin_upload(light.studio, mei, "image/png", ORIGIN) for _ in range(3)]
    for file in coming:
        file.write(picture())
    for file in coming[:2]:
        uploads.keep_upload(light.studio, mei, file, ORIGIN)
    with pytest.raises(ConflictError):
        uploads.keep_upload(light.studio, mei, coming[2], ORIGIN)
    for file in coming:
        file.close()
    assert len(light.studio.uploads.of_user(mei.user_id)) == 2
