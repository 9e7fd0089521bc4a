"""Jobs that begin with a picture, and jobs with LoRAs: whose it is, how long it stays, what is written down."""

import io
import json
from dataclasses import replace

import pytest
from PIL import Image

from app.domain.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
)
from app.domain.jobs import Job, JobState
from app.domain.loras import LoraUse
from app.domain.people import Principal
from app.domain.uploads import KEPT
from app.engine.loras import LoraFolder
from app.flows import run, uploads
from app.flows.gallery import delete_image
from app.flows.loras import list_loras
from app.flows.recall import Recall
from app.flows.recover import recover
from app.flows.submit import submit
from app.flows.views import job_json
from tests.flows.uploading import upload
from tests.houses import ORIGIN, SMALL, Building, another_process
from tests.pictures import picture


def state_of(building: Building, actor: Principal, job: Job) -> tuple[JobState, str | None]:
    found = building.view(actor, job).job
    return found.state, found.error_code


def put_lora(building: Building, name: str) -> None:
    folder = building.outputs.parent / "models" / "loras"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.safetensors").write_bytes(b"")


def text_chunks(building: Building, actor: Principal, job: Job) -> dict[str, str]:
    (made,) = building.view(actor, job).pictures
    with Image.open(building.studio.vault.original(made.path)) as image:
        image.load()
        return dict(image.text)  # type: ignore[attr-defined]  # PngImageFile has it


def test_a_job_begins_with_an_upload_and_says_so_everywhere(building: Building) -> None:
    mei = building.person("mei")
    put_lora(building, "ink")
    image, mask = upload(building, mei), upload(building, mei)
    assert (image.width, image.height, image.expires_at) == (320, 256, building.clock.now() + KEPT)
    loras = [{"name": "ink", "strength": 0.8}]
    job = building.click(mei, image=image.id, mask=mask.id, strength=0.3, steps=8, loras=loras)
    assert (job.denoising_steps, job.work) == (3, round(256 * 256 * 3 / 1e6, 6))
    building.work()
    (request,) = building.engine.requests
    assert request.image == building.studio.uploads.read(mei.user_id, image.id)
    assert request.mask == building.studio.uploads.read(mei.user_id, mask.id)
    assert (request.strength, request.loras) == (0.3, (LoraUse(name="ink", strength=0.8),))
    assert b"PNG" not in repr(request).encode()
    shown = job_json(building.view(mei, job), "en")
    assert (shown["state"], shown["image"], shown["mask"], shown["strength"]) == ("succeeded", image.id, mask.id, 0.3)
    assert (shown["loras"], shown["steps"], shown["denoising_steps"]) == (loras, 8, 3)
    chunks = text_chunks(building, mei, job)
    assert chunks["parameters"].endswith('Model: fake, Denoising strength: 0.3, Loras: "ink:0.8"')
    recipe = json.loads(chunks["atelier"])
    assert (recipe["image"], recipe["mask"], recipe["strength"], recipe["loras"]) == (image.id, mask.id, 0.3, loras)


def test_a_job_of_words_alone_says_nothing_of_the_kind(light: Building) -> None:
    mei = light.person("mei")
    job = light.click(mei)
    light.work()
    shown = job_json(light.view(mei, job), "en")
    assert (shown["image"], shown["mask"], shown["strength"], shown["loras"]) == (None, None, None, [])
    recipe = json.loads(text_chunks(light, mei, job)["atelier"])
    assert not recipe.keys() & {"image", "mask", "strength", "loras"}


def test_a_job_begins_with_an_own_picture(light: Building) -> None:
    mei = light.person("mei")
    first = light.click(mei)
    light.work()
    (made,) = light.view(mei, first).pictures
    second = light.click(mei, image=made.id)
    light.work()
    assert light.engine.requests[1].image == light.studio.vault.original(made.path).read_bytes()
    assert state_of(light, mei, second) == (JobState.SUCCEEDED, None)


def test_what_is_somebody_elses_is_not_there_and_nothing_changes(light: Building) -> None:
    mei, eve, boss = light.person("mei"), light.person("eve"), light.person("boss", "admin")
    job = light.click(mei)
    light.work()
    (made,) = light.view(mei, job).pictures
    own = upload(light, mei)
    for source in (made.id, own.id, "0" * 16, "u" + "0" * 15):
        for thief in (eve, boss):
            with pytest.raises(NotFoundError):
                light.click(thief, image=source)
            with pytest.raises(NotFoundError):
                light.click(thief, image=upload(light, thief).id, mask=source)
    assert light.quota(eve) == (0, 0)
    for thief in (eve, boss):
        with pytest.raises(NotFoundError):
            uploads.delete_upload(light.studio, thief, own.id, ORIGIN)
    assert ("eve", "access:refused", "refused") in light.actions()
    assert light.studio.uploads.read(mei.user_id, own.id)


def test_a_deleted_picture_begins_nothing_new_and_ends_what_waits_for_it(light: Building) -> None:
    mei = light.person("mei")
    job = light.click(mei)
    light.work()
    (made,) = light.view(mei, job).pictures
    waiting = light.click(mei, image=made.id)
    delete_image(light.studio, mei, made.id, ORIGIN)
    with pytest.raises(NotFoundError):
        light.click(mei, image=made.id)
    light.work()
    assert state_of(light, mei, waiting) == (JobState.FAILED, "input-gone")
    assert light.quota(mei) == (1, 0)
    light.click(mei)
    assert light.work()  # the queue goes on


def test_the_file_is_lost_between_click_and_start_and_the_job_says_so(light: Building) -> None:
    mei = light.person("mei")
    job = light.click(mei, image=upload(light, mei).id)
    assert light.studio.uploads.discard(mei.user_id, job.image or "")
    light.work()
    assert state_of(light, mei, job) == (JobState.FAILED, "input-gone")
    assert light.quota(mei) == (0, 0)


def test_after_a_crash_the_job_begins_with_the_same_picture_again(light: Building) -> None:
    mei = light.person("mei")
    job = light.click(mei, image=upload(light, mei).id)
    assert run.claim(light.studio) is not None
    after = another_process(light.studio)
    recover(replace(after, alone=True), lost=True)
    light.work()
    assert state_of(light, mei, job) == (JobState.SUCCEEDED, None)
    assert light.engine.requests[0].image == light.studio.uploads.read(mei.user_id, job.image or "")


def test_a_lora_that_is_not_there_is_named(light: Building) -> None:
    mei = light.person("mei")
    put_lora(light, "ink")
    with pytest.raises(InvalidRequestError) as refusal:
        light.click(mei, loras=[{"name": "ink"}, {"name": "gone"}])
    (error,) = refusal.value.errors
    assert (error.field, error.params) == ("loras", {"name": "gone"})


def test_null_is_as_good_as_leaving_out_and_a_key_finds_the_same_job(light: Building) -> None:
    mei = light.person("mei")
    nothing = {"image": None, "mask": None, "strength": None, "loras": None}
    first = submit(light.studio, mei, SMALL, origin=ORIGIN, key="k")
    again = submit(light.studio, mei, {**SMALL, **nothing}, origin=ORIGIN, key="k")
    assert (again.created, again.job.id) == (False, first.job.id)
    own = upload(light, mei)
    one = submit(light.studio, mei, {**SMALL, "image": own.id}, origin=ORIGIN, key="l")
    assert one.job.strength == 0.6
    with pytest.raises(ConflictError):
        submit(light.studio, mei, {**SMALL, "image": own.id, "strength": 0.7}, origin=ORIGIN, key="l")
    masked = submit(light.studio, mei, {**SMALL, "image": own.id, "mask": own.id}, origin=ORIGIN)
    assert masked.job.strength == 1.0


def test_the_list_of_loras_is_the_folders(light: Building) -> None:
    mei = light.person("mei")
    assert list_loras(light.studio, mei, ORIGIN) == ()
    put_lora(light, "ink")
    assert [each.name for each in list_loras(light.studio, mei, ORIGIN)] == ["ink"]
    assert isinstance(light.studio.loras, LoraFolder)


def test_the_original_reaches_the_engine_as_it_was_seen(light: Building) -> None:
    mei = light.person("mei")
    light.click(mei, image=upload(light, mei, picture(kind="JPEG", sideways=True), "image/jpeg").id)
    light.work()
    content = light.engine.requests[0].image
    assert content is not None
    with Image.open(io.BytesIO(content)) as image:
        assert (image.size, image.mode, dict(image.getexif())) == ((320, 256), "RGB", {})


def test_a_waiting_job_whose_beginning_is_gone_disturbs_no_other(light: Building) -> None:
    mei = light.person("mei")
    image = upload(light, mei)
    first, second = (light.click(mei, image=image.id, strength=0.5) for _ in range(2))
    looks = Recall(light.studio)
    light.studio.uploads.discard(mei.user_id, image.id)
    looks.after(replace(first, state=JobState.SUCCEEDED))
    looks()
    assert [state_of(light, mei, job)[0] for job in (first, second)] == [JobState.QUEUED] * 2
    light.work()
    assert state_of(light, mei, first) == (JobState.FAILED, "input-gone")
