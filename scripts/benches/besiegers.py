"""People who click, click again when nothing was answered, and cancel, whatever happens to the server."""

import http.client
import json
import random
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any, Final

ACCEPTED: Final = 202
DONE: Final = 200
CONFLICT: Final = 409
SECONDS: Final = 30.0
TRIES: Final = 100


@dataclass(frozen=True, slots=True)
class Manners:
    """The mean pause between what one person does, the steps of a picture, the most pictures of a job."""

    pause: float
    steps: int
    count: int


@dataclass(slots=True)
class Click:
    """One idempotency key: the jobs that were answered under it (one, if all is well), and whether it was cancelled.

    `times` counts the requests, answered or not.
    """

    key: str
    body: dict[str, object]
    jobs: set[str] = field(default_factory=set)
    accepted: int = 0
    times: int = 0
    cancelled: bool = False


class Besieger(threading.Thread):
    """Started once, until `leave`; `ask_again` afterwards, from the outside."""

    def __init__(self, port: int, token: str, chance: random.Random, manners: Manners) -> None:
        super().__init__(daemon=True)
        self.clicks: list[Click] = []
        self.odd: list[str] = []
        self._port, self._token, self._chance, self._manners = port, token, chance, manners
        self._leaving = threading.Event()

    def run(self) -> None:
        while not self._leaving.wait(self._chance.uniform(0, 2 * self._manners.pause)):
            if not answers(self._port, "/healthz"):
                continue
            what = self._chance.random()
            if self.clicks and what < 0.2:  # noqa: PLR2004 - one in five
                self._click(self._chance.choice(self.clicks))
            elif self.clicks and what < 0.35:  # noqa: PLR2004 - one in seven
                self._cancel(self._chance.choice(self.clicks[-10:]))
            else:
                self.clicks.append(self._new())
                self._click(self.clicks[-1])

    def leave(self) -> None:
        self._leaving.set()
        self.join(SECONDS)

    def ask_again(self) -> None:
        """Every click that was never answered is sent until it is: accepted, or refused for good."""
        pause = threading.Event()
        for click in self.clicks:
            for _ in range(TRIES):
                if click.jobs:
                    break
                self._click(click)
                pause.wait(0 if click.jobs else 0.1)

    def _new(self) -> Click:
        manners, chance = self._manners, self._chance
        body = {"prompt": "a red circle", "width": 256, "height": 256, "steps": manners.steps}
        return Click(secrets.token_hex(8), body | {"count": chance.randint(1, manners.count)})

    def _click(self, click: Click) -> None:
        click.times += 1
        status, answer = self._send("POST", "/api/v1/jobs", click.body, {"Idempotency-Key": click.key})
        if status in {ACCEPTED, DONE}:
            click.jobs.add(answer["id"])
            click.accepted += status == ACCEPTED

    def _cancel(self, click: Click) -> None:
        for job_id in click.jobs:
            status, _ = self._send("DELETE", f"/api/v1/jobs/{job_id}")
            click.cancelled |= status == DONE

    def _send(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status 0: the server is away, and nobody knows what became of the request."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        said = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), said | (headers or {}))
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            connection.close()
        found: dict[str, Any] = json.loads(content)
        # 409: ended before it could be cancelled; 429: as many wait as may wait.
        if answer.status not in {ACCEPTED, DONE, CONFLICT, 429}:
            self.odd.append(f"{method} {path} answered {answer.status} {found.get('code', '')}")
        return answer.status, found


def answers(port: int, path: str) -> int:
    """The status; 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
