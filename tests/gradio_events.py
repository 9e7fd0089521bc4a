"""Calling the page's events past the page, as a script with a token can."""

import json
import secrets
from typing import Any

import httpx


def server_events(client: httpx.Client) -> list[dict[str, Any]]:
    """What runs on the server, hidden buttons and private events included."""
    found: list[dict[str, Any]] = client.get("/config").json()["dependencies"]
    return [event for event in found if event["backend_fn"]]


class RefusalError(Exception):
    """What the page would show as a toast."""


def press(client: httpx.Client, name: str, *data: object) -> list[Any]:
    """What the event answers for each of its outputs. Raises RefusalError."""
    event = next(each for each in server_events(client) if each["api_name"] == name)
    session = secrets.token_hex(8)
    body = {"data": list(data), "fn_index": event["id"], "session_hash": session}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
            if message.get("msg") == "process_completed":
                if not message["success"]:
                    raise RefusalError(message["output"]["error"])
                answered: list[Any] = message["output"]["data"]
                return answered
    raise RefusalError("cut off")


def ran(client: httpx.Client, event: dict[str, Any]) -> bool:
    """Call the event with nonsense; whether it did its work instead of refusing."""
    session = secrets.token_hex(8)
    body = {"data": ["x"] * len(event["inputs"]), "fn_index": event["id"], "session_hash": session}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
            if message.get("msg") == "process_completed":
                return bool(message["success"])
    return False
