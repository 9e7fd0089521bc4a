"""One nginx for all tests of this folder, in front of one server at the root and one under a prefix."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import live_server
from tests.proxy.nginx import Site, location, nginx


@pytest.fixture(scope="package")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """Each server believes nginx and nobody else."""
    folder = tmp_path_factory.mktemp("servers")
    believed: dict[str, Any] = {"trusted_proxies": "127.0.0.1"}
    with (
        live_server(folder / "root", **believed) as root,
        live_server(folder / "prefixed", root_path="/studio", **believed) as prefixed,
        nginx(
            tmp_path_factory.mktemp("nginx"),
            {
                "replacing": (root, location(root), ""),
                "appending": (root, location(root, append=True), ""),
                "http": (root, location(root), ""),
                "stripped": (prefixed, location(prefixed, prefix="/studio", strip=True), "/studio"),
                "kept": (prefixed, location(prefixed, prefix="/studio"), "/studio"),
            },
        ) as found,
    ):
        yield found
