"""The public link: Gradio's tunnel, without Gradio's share page."""

import contextlib
import secrets

from gradio.networking import setup_tunnel
from gradio.tunneling import CURRENT_TUNNELS


def open_tunnel(host: str, port: int) -> str:
    """Connect the local server to Gradio's relay; the public address. Raises whatever the network does."""
    return str(setup_tunnel(host, port, secrets.token_urlsafe(32), None, None))


def close_tunnels() -> None:
    for tunnel in CURRENT_TUNNELS:
        with contextlib.suppress(Exception):
            tunnel.kill()  # type: ignore[no-untyped-call]
