"""Many people who click: on a schedule whatever the studio does, or as fast as it lets them."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from app.auth.rates import Rates
from app.domain.errors import UnavailableError
from app.domain.people import Origin, Principal
from app.flows import run
from app.flows.studio import Studio
from app.flows.submit import submit
from scripts.benches.figures import spread_ms

ORIGIN: Final = Origin(ip_address="127.0.0.1", request_id="bench", user_agent="bench")
BODY: Final = {"prompt": "a lighthouse at dusk, oil on canvas", "width": 256, "height": 256, "steps": 2}
LEAD: Final = 0.2
IDLE: Final = 0.01
# How long a click took, and whether it was accepted.
Taken = tuple[float, bool]


def measure_clicks(studio: Studio, people: Sequence[Principal], seconds: int, *, beside_work: bool) -> dict[str, Any]:
    """One click a second each, evenly spread. Counted from when it was due: a slow answer delays nobody's next one,
    and whoever waits behind it is seen to wait."""
    began = time.perf_counter() + LEAD

    def click_on_schedule(number: int, actor: Principal) -> Iterator[Taken]:
        pause = threading.Event()
        for second in range(seconds):
            due = began + second + number / len(people)
            pause.wait(max(0.0, due - time.perf_counter()))
            accepted = _click(open_studio, actor)
            yield time.perf_counter() - due, accepted

    open_studio = _with_real_rates(studio)
    with _machine(studio, busy=beside_work) as made:
        taken = _all_at_once(people, click_on_schedule)
    found = _found(taken, time.perf_counter() - began)
    return found | ({"jobs_done": len(made)} if beside_work else {})


def measure_burst(studio: Studio, people: Sequence[Principal], seconds: int) -> dict[str, Any]:
    """Everybody clicks again as soon as there is an answer."""
    began = time.perf_counter()

    def click_flat_out(_number: int, actor: Principal) -> Iterator[Taken]:
        while (before := time.perf_counter()) - began < seconds:
            accepted = _click(open_studio, actor)
            yield time.perf_counter() - before, accepted

    open_studio = _with_real_rates(studio)
    taken = _all_at_once(people, click_flat_out)
    return _found(taken, time.perf_counter() - began)


def _found(taken: list[Taken], seconds: float) -> dict[str, Any]:
    accepted = sum(accepted for _, accepted in taken)
    return spread_ms([each for each, _ in taken]) | {
        "clicks": len(taken),
        "refused": len(taken) - accepted,
        "per_second": round(accepted / seconds, 1),
    }


def _click(studio: Studio, actor: Principal) -> bool:
    """False when the database gave up: on SQLite whoever has waited 15 seconds for the others."""
    try:
        submit(studio, actor, BODY, origin=ORIGIN, key=secrets.token_hex(16))
    except UnavailableError:
        return False
    return True


def _with_real_rates(studio: Studio) -> Studio:
    """Counting them is part of a click; they are as high as they can be."""
    return replace(studio, rates=Rates())


def _all_at_once(people: Sequence[Principal], click: Callable[[int, Principal], Iterator[Taken]]) -> list[Taken]:
    taken: list[Taken] = []
    failed: list[Exception] = []

    def work(number: int, actor: Principal) -> None:
        try:
            for each in click(number, actor):
                taken.append(each)  # noqa: PERF402 - so that what came before an error is kept
        except Exception as error:  # noqa: BLE001 - raised again in the main thread
            failed.append(error)

    threads = [threading.Thread(target=work, args=each) for each in enumerate(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return taken


@contextmanager
def _machine(studio: Studio, *, busy: bool) -> Iterator[list[str]]:
    """A dispatcher's thread with a machine that needs no time: it claims, keeps files and settles without a rest.

    The jobs it has done.
    """
    done: list[str] = []
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            try:
                job = run.claim(studio)
                if job is None:
                    stopping.wait(IDLE)
                    continue
                run.run(studio, job)
            except UnavailableError:  # tried again, as the dispatcher does
                continue
            done.append(job.id)

    thread = threading.Thread(target=work, name="machine")
    if busy:
        thread.start()
    try:
        yield done
    finally:
        stopping.set()
        if busy:
            thread.join()
