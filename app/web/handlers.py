"""What every Gradio handler does besides its own work: permission, a thread of its own, errors as toasts."""

import html
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from app.auth.policy import Permission
from app.domain.errors import InvalidRequestError, NotAuthenticatedError, StudioError
from app.domain.people import Origin, Principal
from app.flows.identify import still_stands
from app.flows.studio import Studio
from app.logs import where
from app.messages import error_text, field_text, translate
from app.messages.catalogue import catalogue
from app.web.identity import Visitor, clicker
from app.web.threads import in_thread

log = logging.getLogger(__name__)

TOAST_SECONDS: Final = 8.0
# Raw values: the flows decide what is valid, and say so in the person's language.
PRIVATE: Final[dict[str, Any]] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "concurrency_limit": None,
    "preprocess": False,
}


@dataclass(frozen=True, slots=True)
class Click:
    """Who clicked, from where, and the language to answer in."""

    actor: Principal
    origin: Origin
    language: str


Handler = Callable[..., Awaitable[Any]]


def shown(studio: Studio, permission: Permission) -> Callable[[Callable[..., Any]], Handler]:
    """Make a Gradio handler of `work(click, *values)`, which blocks and calls one flow.

    The permission is asked for here, so that no handler can forget it, and again by the flow.
    """

    def decorate(work: Callable[..., Any]) -> Handler:
        def permitted(click: Click, *values: Any) -> Any:  # noqa: ANN401 - Gradio's values
            # Gradio's queue kept the click with whoever it was then.
            if not still_stands(studio, click.actor):
                raise NotAuthenticatedError
            studio.permit(click.actor, permission, click.origin)
            return work(click, *values)

        async def handler(request: gr.Request, *values: Any) -> Any:  # noqa: ANN401 - Gradio's values
            visitor = clicker(request)
            try:
                return await in_thread(permitted, click_of(visitor), *values)
            except StudioError as error:
                raise toast(visitor.language, error) from None
            except gr.Error:
                raise
            except Exception as error:  # noqa: BLE001 - the last border; no text of it may leave
                raise unexpected(visitor.language, work.__name__, error) from None

        handler.__name__ = work.__name__
        handler.permission = permission  # type: ignore[attr-defined]  # a test asks every handler of the page
        return handler

    return decorate


def toast(language: str, error: StudioError) -> gr.Error:
    """The error as the page shows it, each wrong field with its label. Toasts are HTML: everything is escaped."""
    if isinstance(error, InvalidRequestError):
        lines = [
            f"<b>{html.escape(field_label(language, each.field))}</b>: {html.escape(field_text(language, each))}"
            for each in error.errors
        ]
    else:
        lines = [html.escape(error_text(language, error))]
    return gr.Error("<br>".join(lines), duration=TOAST_SECONDS, print_exception=False)


def plain(language: str, error: StudioError) -> gr.Error:
    """The error for programs: each wrong field by its own name, no HTML."""
    text = error_text(language, error)
    if isinstance(error, InvalidRequestError):
        text = "; ".join(f"{each.field}: {field_text(language, each)}" for each in error.errors)
    return gr.Error(text, print_exception=False)


def unexpected(language: str, name: str, error: Exception) -> gr.Error:
    log.error("%s: %s", name, type(error).__name__, exc_info=where(error))
    text = html.escape(translate(language, "error.internal-error"))
    return gr.Error(text, duration=TOAST_SECONDS, print_exception=False)


def field_label(language: str, field: str) -> str:
    """What the page calls that field; its own name where the page has none."""
    return catalogue(language).get(f"ui.field.{field.replace('_', '-')}", field)


def click_of(visitor: Visitor) -> Click:
    """Raises NotAuthenticatedError."""
    if visitor.actor is None:
        raise NotAuthenticatedError
    return Click(visitor.actor, visitor.origin, visitor.language)
