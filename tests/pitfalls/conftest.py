"""One live server for all pitfalls, with a Gradio folder of its own as the real program has it."""

from collections.abc import Iterator

import pytest

from tests.live import Live, live_server


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "data/gradio"))
        with live_server(folder) as server:
            yield server
