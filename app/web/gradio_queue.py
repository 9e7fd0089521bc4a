"""Gradio's own queue, as it must be among people who do not trust each other."""

import asyncio
from typing import Any, Final

import gradio as gr

# Events of all people that may run at once; each is short, or sleeps until its job has ended.
AT_ONCE: Final = 256


class PendingMessages(dict[str, Any]):
    """The messages for each session that is listened to.

    Gradio keeps those of the 2000 newest sessions of everybody: whoever opens many throws out the others', and a
    message for one that is gone stops the whole queue. Here a session stays until its owner's claims let it go, and
    whatever is said to one that has gone is not heard.
    """

    def __missing__(self, session: str) -> Any:  # noqa: ANN401 - Gradio's own queue
        return asyncio.Queue()


class GradioQueue:
    """What the rest of the web may ask of the page's queue."""

    def __init__(self, page: gr.Blocks) -> None:
        self._page = page
        self._names = {str(function.api_name) for function in page.fns.values() if function.fn is not None}

    def prepare(self) -> None:
        """Before the page is mounted."""
        # Gradio counts its slots and its threads by this; above 40, or it shares Starlette's own.
        self._page.max_threads = AT_ONCE
        self._page.queue(default_concurrency_limit=None, max_size=10 * AT_ONCE)
        self._page._queue.pending_messages_per_session = PendingMessages()  # type: ignore[assignment]  # noqa: SLF001 - Gradio offers no other way

    def busy_for(self, username: str) -> int:
        """How many events of that person run or wait."""
        queue = self._page._queue  # noqa: SLF001 - it has no public count
        waiting = (event for each in queue.event_queue_per_concurrency_id.values() for event in each.queue)
        running = (event for events in queue.active_jobs if events for event in events)
        return sum(event.username == username for group in (waiting, running) for event in group)

    def forget(self, name: str) -> None:
        """A session or event whose owner has let it go."""
        queue = self._page._queue  # noqa: SLF001 - likewise
        queue.pending_messages_per_session.pop(name, None)
        queue.pending_event_ids_session.pop(name, None)
        queue.event_ids_to_events.pop(name, None)

    def has_answer(self, event_id: str) -> bool:
        """Whether somebody may still come for what that event answers."""
        queue = self._page._queue  # noqa: SLF001 - likewise
        return event_id in queue.event_ids_to_events or any(
            event_id in events for events in queue.pending_event_ids_session.values()
        )

    def has_event(self, fn_index: object) -> bool:
        """Whether the page has an event of that number."""
        return type(fn_index) is int and fn_index in self._page.fns

    def has_endpoint(self, api_name: str) -> bool:
        return api_name in self._names

    def is_open(self) -> bool:
        return not self._page._queue.stopped  # noqa: SLF001 - likewise
