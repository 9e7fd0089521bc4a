"""What the page says about an engine that serves, but not as it was meant to."""

from tests.live import Live


def test_that_memory_ran_short_is_for_administrators_to_know(live: Live) -> None:
    live.engine.note("engine.memory-shared", most=2)
    try:
        with live.script_of("short-member") as member, live.script_of("short-admin", "admin") as admin:
            told = [client.get("/account/status").json()["notices"] for client in (member, admin)]
    finally:
        live.engine.note()
    seen = [[each["text"] for each in notices if "memory" in each["text"]] for notices in told]
    assert seen == [[], ["GPU memory ran out: from now on at most 2 pictures are made together."]]
