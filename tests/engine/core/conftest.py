"""The demo model in this process, in a painter's hands."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.ports import EngineRequest
from app.engine.core.devices import pick_device
from app.engine.core.loader import load_pipeline
from app.engine.core.untyped import ZImagePipeline
from tests.engine.core.painting import Easel


@pytest.fixture(scope="module")
def pipeline(demo: Path) -> ZImagePipeline:
    return load_pipeline(demo, pick_device("cpu"))


@pytest.fixture(scope="module")
def easel(pipeline: ZImagePipeline) -> Easel:
    return Easel(pipeline)


@pytest.fixture
def make(easel: Easel) -> Callable[[EngineRequest], bytes]:
    return easel.make
