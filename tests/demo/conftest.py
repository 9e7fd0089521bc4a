"""The demo model as people get it."""

import pytest
import torch

from app.engine.core.devices import pick_device
from app.engine.core.loader import load_pipeline
from app.engine.core.models import DEMO
from app.engine.core.untyped import ZImagePipeline


@pytest.fixture(scope="session")
def pipeline() -> ZImagePipeline:
    torch.set_num_threads(1)
    return load_pipeline(DEMO, pick_device("cpu"))
