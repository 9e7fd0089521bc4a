"""Logs on standard error: one line an event, as text or JSON. Statements, prompts and secrets never get here."""

import json
import logging
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

Failure = tuple[type[BaseException], BaseException, TracebackType | None]
QUIET: Final = (
    "httpx",
    "httpcore",
    "alembic",
    "PIL",
    "urllib3",
    "filelock",
    "python_multipart",
    "multipart",
    "asyncio",
)
TEXT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def where(error: BaseException) -> Failure:
    """`exc_info` that tells where and what kind, without the error's own text: it may quote what a person wrote."""
    return RuntimeError, RuntimeError(type(error).__name__), error.__traceback__


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "logger", "message"}`, and the exception's type if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False)


class OneLineFormatter(logging.Formatter):
    """Line breaks and control characters in a message cannot forge another line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        record.message = "".join(c if c.isprintable() else repr(c)[1:-1] for c in record.message)
        return super().formatMessage(record)


def configure(level: str, form: str) -> None:
    """Set up the root logger. Called once, by whoever starts a process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else OneLineFormatter(TEXT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
