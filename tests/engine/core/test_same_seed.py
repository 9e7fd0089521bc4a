"""The same seed is the same picture: after a restart of the engine, and in the company of others.

That it is the same from the cache, tests/flows/test_results.py shows.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from app.domain.ports import EngineRequest, EngineState, PictureMade, PictureOrder
from app.engine.core.untyped import ZImagePipeline
from app.engine.local import LocalEngine
from tests.engine.core.painting import Easel, octets_of, pictures_of
from tests.engine.test_contract import REQUEST, pictures
from tests.engine.waiting import wait_for

ALIKE = 40.0
EXACT = replace(REQUEST, job_id="exact", exact=True)


def psnr(one: bytes, other: bytes) -> float:
    """Decibels; infinite for the same pixels."""
    error = float(np.mean((octets_of(one).astype(float) - octets_of(other)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def test_the_same_seed_gives_the_same_picture_after_a_restart_of_the_engine(local_engine: LocalEngine) -> None:
    made: dict[str, list[PictureMade]] = {"job": [], "exact": []}
    for is_first in (True, False):
        wait_for(lambda: local_engine.status().state is EngineState.READY, 60)
        for request in (REQUEST, EXACT):
            made[request.job_id] += pictures(local_engine.run(request))
        assert local_engine.status().facts == made["job"][-1].facts
        if is_first:
            local_engine.stop(5.0)
            local_engine.start()
    before, after = made["job"]
    assert psnr(before.png, after.png) >= ALIKE
    before, after = made["exact"]
    assert octets_of(before.png).tobytes() == octets_of(after.png).tobytes()
    assert before.facts == after.facts


def test_the_same_seed_gives_the_same_picture_in_the_company_of_others(
    pipeline: ZImagePipeline, make: Callable[[EngineRequest], bytes]
) -> None:
    crowd = Easel(pipeline, most=4)
    others = replace(REQUEST, job_id="others", pictures=tuple(PictureOrder(index=i, seed=50 + i) for i in range(2)))
    for request in (REQUEST, EXACT):
        crowd.order(others)
        run_id = crowd.order(request)
        said = [each for each in crowd.finish(2) if getattr(each, "run_id", None) == run_id]
        (made,) = pictures_of(said)
        alone = make(request)
        if request.exact:
            assert octets_of(made.png).tobytes() == octets_of(alone).tobytes()
        else:
            assert psnr(made.png, alone) >= ALIKE


@pytest.mark.parametrize("changed", [{"seed": 2}, {"prompt": "a blue circle on a white background"}])
def test_what_is_alike_is_no_matter_of_course(
    make: Callable[[EngineRequest], bytes], changed: dict[str, object]
) -> None:
    """Another seed or another wish is far from it, so that the tests above say something."""
    seed = changed.pop("seed", REQUEST.pictures[0].seed)
    other = replace(REQUEST, pictures=(PictureOrder(index=0, seed=seed),), **changed)  # type: ignore[arg-type]  # as named
    assert psnr(make(REQUEST), make(other)) < ALIKE
