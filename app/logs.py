"""Logs on standard error: one line an event, as text or JSON. Statements, prompts and secrets never get here.

Three walls behind the care of whoever logs: an error is told by its kind and its place, without its text; what
libraries print by themselves is counted, not repeated; and what looks like a secret is blotted out of every line.
"""

import inspect
import io
import json
import logging
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, TextIO

Failure = tuple[type[BaseException], BaseException, TracebackType | None]
Info = Failure | tuple[None, None, None]

log = logging.getLogger(__name__)

JSON: Final = "json"
TEXT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
# Libraries tell statements, bodies and addresses at lower levels.
OF_LIBRARIES: Final = logging.WARNING
# Who prints through these is the one who called them.
GO_BETWEENS: Final = frozenset({__name__, "traceback", "contextlib", "logging", "warnings"})
HIDDEN: Final = "***"
_NAMES: Final = r"(?:password|passwd|passphrase|secret|api[_-]?key|token|credential|signature|prompt)s?"
_PATTERNS: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Our API tokens; the id stays, it is no secret and leads to the owner.
        (r"(atl_(?:[0-9a-f]{12}_(?=[\w-]))?)[\w-]{8,}", rf"\1{HIDDEN}"),
        (r"\bhf_\w{16,}", HIDDEN),
        # JSON Web Tokens and the hashes of passwords.
        (r"\beyJ[\w-]{4,}\.[\w-]+(\.[\w-]*)?", HIDDEN),
        (r"\$argon2\w*\$[^\s\"']+", HIDDEN),
        # Headers, as lines, as JSON, and as Python shows them.
        (r"(?i)(authorization['\"]?\s*[:=]\s*(?:b(?=['\"]))?['\"]?)[^\r\n'\"]+", rf"\1{HIDDEN}"),
        (r"(?i)((?:authorization|cookie)['\"],\s*b?['\"])[^\r\n'\"]+", rf"\1{HIDDEN}"),
        (r"(?i)(cookie['\"]?\s*:\s*(?:b(?=['\"]))?['\"]?)[^\r\n'\"]+", rf"\1{HIDDEN}"),
        (r"(?i)\b((?:bearer\s+)+)[^\s'\",;)\]}]+", rf"\1{HIDDEN}"),
        (r"(?i)(atelier_session['\"]?\s*[=:]\s*['\"]?)[^\s;'\",)\]}]+", rf"\1{HIDDEN}"),
        # Who logs in by an address, and every query.
        (r"(://)[^\s/'\"@]+@", rf"\1{HIDDEN}@"),
        (r"([?&][\w.~%-]+=)[^\s&'\"<>#)\]}]+", rf"\1{HIDDEN}"),
        (r"(?i)\b((?:code|state)=)[^\s&'\",;<>()]{8,}", rf"\1{HIDDEN}"),
        # Fields by name, whatever their value is made of, and the values that pydantic quotes.
        (
            rf"(?is)({_NAMES}['\"]?\s*[:=]\s*b?)(?:\"(?:\\.|[^\"\\])*(?:\"|\Z)|'(?:\\.|[^'\\])*(?:'|\Z))",
            rf"\1{HIDDEN}",
        ),
        (rf"(?i)({_NAMES}=)[^\s&,;'\")\]}}]+", rf"\1{HIDDEN}"),
        (r"(?i)((?:password|passwd|passphrase)\s*:\s*)[^\s'\"]+", rf"\1{HIDDEN}"),
        (r"(?s)(input_value=).*?(?=, input_type=|\Z)", rf"\1{HIDDEN}"),
    )
)


def redacted(text: str) -> str:
    """The text without what looks like a secret."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class _KindError(Exception):
    """Stands for an error: its text is the name of the error's type."""


def where(error: BaseException) -> Failure:
    """`exc_info` that tells where and what kind, without the error's own text: it may quote what a person wrote."""
    return _KindError, _KindError(type(error).__name__), error.__traceback__


def told(failure: Info) -> str:
    """Frames and kinds of an error and of what caused it, oldest first; no text of any of them."""
    parts: list[str] = []
    seen: set[int] = set()
    error, trace = failure[1], failure[2]
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kind = str(error) if isinstance(error, _KindError) else type(error).__name__
        parts.append(f"{''.join(traceback.format_tb(trace))}{kind}")
        if isinstance(error, BaseExceptionGroup):
            parts.extend(told((type(each), each, each.__traceback__)) for each in error.exceptions)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        trace = None if error is None else error.__traceback__
    return "\n".join(reversed(parts))


class TextFormatter(logging.Formatter):
    """Line breaks and control characters in a message cannot forge another line."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        record.message = "".join(c if c.isprintable() else repr(c)[1:-1] for c in redacted(record.message))
        return super().formatMessage(record)

    def formatException(self, ei: Info) -> str:  # noqa: N802 - the library's
        return redacted(told(ei))


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "logger", "message"}`, and the exception's kind and place if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        if record.exc_info:
            content["exception"] = redacted(told(record.exc_info))
        return json.dumps(content, ensure_ascii=False)


class Printed(io.TextIOBase):
    """Takes the place of an output for libraries that print by themselves: prompts, bodies, tracebacks with texts.

    Told is who printed and how much; while an error is being handled, its kind and place instead, once.
    """

    encoding = "utf-8"

    def __init__(self, real: TextIO) -> None:
        self._real = real
        self._here = threading.local()

    def write(self, text: str) -> int:
        if not getattr(self._here, "telling", False):
            self._here.telling = True
            try:
                self._take(text)
            finally:
                self._here.telling = False
        return len(text)

    def _take(self, text: str) -> None:
        error = sys.exc_info()[1]
        if error is None:
            # One line in the log for each line.
            self._here.waiting = getattr(self._here, "waiting", 0) + len(text)
            if text.endswith("\n"):
                length, self._here.waiting = self._here.waiting - 1, 0
                if length:
                    log.info("%s printed %d characters", _printer(), length)
        elif not getattr(error, "atelier_told", False):
            error.atelier_told = True  # type: ignore[attr-defined]  # ours; errors cannot be remembered weakly
            log.warning("%s printed an error: %s", _printer(), type(error).__name__, exc_info=where(error))

    def flush(self) -> None:
        self._real.flush()

    def fileno(self) -> int:
        return self._real.fileno()

    def writable(self) -> bool:
        return True


def _printer() -> str:
    """The module that prints."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") in GO_BETWEENS:
        frame = frame.f_back
    return "somebody" if frame is None else str(frame.f_globals.get("__name__"))


def configure(level: str | int, form: str) -> None:
    """Take over logs and outputs of this process. Called once, by whoever starts it."""
    handler = logging.StreamHandler(sys.__stderr__)
    handler.setFormatter(JsonFormatter() if form == JSON else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    ours = logging.getLevelNamesMapping()[level.upper()] if isinstance(level, str) else level
    logging.getLogger("app").setLevel(ours)
    root.setLevel(max(ours, OF_LIBRARIES))
    logging.getLogger("uvicorn").setLevel(max(ours, logging.INFO))
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda _, error, __: _tell_unhandled(error)
    sys.unraisablehook = lambda failure: _tell_unhandled(failure.exc_value)
    threading.excepthook = lambda failure: _tell_unhandled(failure.exc_value)
    if sys.__stdout__ is not None and sys.__stderr__ is not None:
        sys.stdout, sys.stderr = Printed(sys.__stdout__), Printed(sys.__stderr__)


def form() -> str:
    """The form that `configure` was given, for a child process to log in the same."""
    formatters = (handler.formatter for handler in logging.getLogger().handlers)
    return JSON if any(isinstance(each, JsonFormatter) for each in formatters) else "text"


def announce(line: str) -> None:
    """On standard output, which is for whoever waits for the program, and for nothing else."""
    print(line, file=sys.__stdout__, flush=True)


def tell(text: str) -> None:
    """To the person who started the program, on standard error: no log, it may name the first password."""
    print(text, file=sys.__stderr__, flush=True)


def _tell_unhandled(error: BaseException | None) -> None:
    if error is not None:
        log.error("Nobody handled an error: %s", type(error).__name__, exc_info=where(error))
