"""Too little memory: once more, then a clear end."""

from typing import NoReturn

import pytest

from app.domain.jobs import JobState
from app.domain.ports import EngineRunError
from app.flows.jobs import get_job
from tests.houses import ORIGIN, Building


@pytest.mark.parametrize("code", ["out-of-memory", "loras-too-large"])
def test_what_runs_out_of_memory_is_tried_once_more_alone(light: Building, code: str) -> None:
    mei = light.person("mei")
    light.engine.fail_next(code)
    light.click(mei)
    light.work()
    assert [len(request.pictures) for request in light.engine.requests] == [1, 1]
    assert light.quota(mei) == (1, 0)


def test_what_runs_out_of_memory_twice_fails_clearly(light: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    mei = light.person("mei")
    job = light.click(mei, count=2)

    def too_large(_request: object) -> NoReturn:
        raise EngineRunError("out-of-memory")

    monkeypatch.setattr(light.engine, "run", too_large)
    light.work()
    view = get_job(light.studio, mei, job.id, ORIGIN)
    assert (view.job.state, view.job.error_code) == (JobState.FAILED, "out-of-memory")
    assert light.quota(mei) == (0, 0)
