"""Under a sub-path, with a proxy that strips the prefix and with one that does not."""

from collections.abc import Iterator

import pytest

from tests.live import Live, live_server


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("prefixed"), root_path="/studio") as server:
        yield server


@pytest.mark.parametrize("prefix", ["", "/studio"])
def test_pages_and_api_answer_with_and_without_the_prefix(prefixed: Live, prefix: str) -> None:
    with prefixed.client() as stranger:
        assert stranger.get(f"{prefix}/login").status_code == 200
        page = stranger.get(f"{prefix}/", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/studio/login?next=/")
    with prefixed.script_of(f"prefix-{len(prefix)}", "admin") as script:
        assert script.get(f"{prefix}/api/v1/me").status_code == 200
        studio = script.get(f"{prefix}/", headers={"Accept": "text/html"})
        assert "'unsafe-eval'" in studio.headers["content-security-policy"]


@pytest.mark.parametrize("prefix", ["", "/studio", "/studio/studio"])
@pytest.mark.parametrize(
    "path", ["/gradio_api/upload", "/gradio_api/deep_link", "/gradio_api/startup-events", "/openapi.json"]
)
def test_the_prefix_opens_nothing_that_is_closed(prefixed: Live, prefix: str, path: str) -> None:
    with prefixed.client() as stranger:
        assert stranger.post(prefix + path).status_code == 401
    token = prefixed.token("admin")
    with prefixed.client(token) as boss:
        for method in ("GET", "POST"):
            assert boss.request(method, prefix + path).status_code == 404
