"""One live server for all tests of a file; each test brings its own people."""

from collections.abc import Iterator

import pytest

from tests.live import Live, live_server


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("live")) as server:
        yield server
