"""Somebody with a page open: one connection for clicks, one whose long poll tells what became of them."""

import http.client
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from scripts.benches.spans import Spans

ACCEPTED: Final = 202
DONE: Final = 200
SUCCEEDED: Final = "succeeded"
ENDED: Final = (SUCCEEDED, "failed", "cancelled")
SECONDS: Final = 60.0
CLIENT: Final = "client"


class WaitingPerson:
    """`click` and `wait_for_end` may be called from two threads at once. Its own work is the span CLIENT."""

    def __init__(self, port: int, token: str, spans: Spans) -> None:
        self._clicks, self._events = (http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS) for _ in range(2))
        self._spans = spans
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._rev = self._poll("?wait=0")["rev"]

    def click(self, body: Mapping[str, object]) -> None:
        headers = self._headers | {"Idempotency-Key": secrets.token_hex(16)}
        with self._spans.span(CLIENT):
            self._clicks.request("POST", "/api/v1/jobs", json.dumps(body), headers)
            _read(self._clicks, ACCEPTED)

    def wait_for_end(self) -> float:
        """When the next job's end was told (`time.perf_counter`)."""
        while True:
            news = self._poll(f"?wait=25&since={self._rev}")
            self._rev = news["rev"]
            for job in news["jobs"]:
                if job["state"] in ENDED:
                    if job["state"] != SUCCEEDED or not job["images"]:
                        raise SystemExit(f"a job {job['state']}: {job['error']}")
                    return time.perf_counter()

    def _poll(self, query: str) -> dict[str, Any]:
        with self._spans.span(CLIENT):
            self._events.request("GET", f"/api/v1/events{query}", headers=self._headers)
            return _read(self._events, DONE)


def _read(connection: http.client.HTTPConnection, expected: int) -> dict[str, Any]:
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != expected:
        raise SystemExit(f"answered {answer.status}: {content[:200]!r}")
    found: dict[str, Any] = json.loads(content)
    return found
