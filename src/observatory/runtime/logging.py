"""Where log records go: standard error, as lines for a person on a terminal, else as one JSON object per line."""

import contextlib
import io
import logging
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from observatory.core import limits
from observatory.core.text import sanitize_terminal, truncate_utf8
from observatory.processor.capture import current_tail
from observatory.processor.error_text import newest
from observatory.processor.log_lines import ForgivingFormatter

JOB_LOGGER = "observatory.job"
"""What handlers log through their context. In the log of the service others are heard from `warning` on."""


def configure_logging(level: str, *, stream: TextIO | None = None) -> None:
    """
    Send the records of this process, ours and those of the standard library, to *stream*.

    What a handler logs in this process is also in the log of its attempt, from `info` on whoever logs it.
    Tracebacks never hold the values of variables. A line has at most `limits.SERVICE_LOG_LINE_BYTES_MAX` bytes, a
    text in it `limits.SERVICE_LOG_VALUE_BYTES_MAX`. A record that cannot be formatted harms nobody. Nor does a
    stream that nobody reads any more: what logs is often about to deal with a failure. May be called again.

    Args:
        level: One of debug, info, warning, error: the least that is shown.
        stream: None means standard error.
    """
    lasting = cast("TextIO", _Lasting(sys.stderr if stream is None else stream))
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    shown = _for_people() if lasting.isatty() else _for_programs()
    structlog.configure(
        processors=[*shared, *shown],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Overheard(lasting))),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(lasting)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shown],
        )
    )
    handler.addFilter(lambda record: _is_for_the_service(record, least))
    logging.basicConfig(level=min(least, logging.INFO), handlers=[handler], force=True)
    # The server's warnings are about what somebody sent: he has his answer, and could fill the log.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def _is_for_the_service(record: logging.LogRecord, least: int) -> bool:
    is_of_a_job = record.name == JOB_LOGGER or record.name.startswith(f"{JOB_LOGGER}.")
    return record.levelno >= (least if is_of_a_job else max(least, logging.WARNING))


class _Formatter(ForgivingFormatter, structlog.stdlib.ProcessorFormatter):
    """The service's own, which a handler's arguments cannot make fail."""


class _Overheard:
    """What handlers say by structlog: to the service's log, and to that of their attempt."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        self._stream.write(text)
        tail = current_tail()
        if tail is not None:
            tail.write_text(text)

    def flush(self) -> None:
        self._stream.flush()


class _Lasting:
    """A text stream whose reader may go away."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def _for_programs() -> list[Processor]:
    return [structlog.processors.format_exc_info, _shortened, _Bounded(structlog.processors.JSONRenderer(default=str))]


def _for_people() -> list[Processor]:
    shown = structlog.dev.ConsoleRenderer(exception_formatter=_harmless_traceback)
    return [_shortened, _harmless, _Bounded(shown)]


def _shortened(logger: WrappedLogger, method: str, record: EventDict) -> EventDict:
    """Before anything else is done with a long text."""
    return {name: _shortened_value(name, value) for name, value in record.items()}


def _shortened_value(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return (newest if name == "exception" else truncate_utf8)(value, limits.SERVICE_LOG_VALUE_BYTES_MAX)


class _Bounded:
    """Renders a record, without what makes it too long."""

    def __init__(self, renderer: Processor) -> None:
        self._render = renderer

    def __call__(self, logger: WrappedLogger, method: str, record: EventDict) -> str:
        line = str(self._render(logger, method, dict(record)))
        # A character has at most four bytes: most lines need not be encoded.
        if len(line) * 4 <= limits.SERVICE_LOG_LINE_BYTES_MAX:
            return line
        if len(line.encode("utf-8", "backslashreplace")) <= limits.SERVICE_LOG_LINE_BYTES_MAX:
            return line
        kept = {name: record[name] for name in _KEPT if name in record}
        kept["event"] = _shortened_value("event", str(record.get("event")))
        return str(self._render(logger, method, {**kept, "left_out": len(record) - len(kept)}))


_KEPT = ("timestamp", "level", "event", "exception", "exc_info")
"""Of a record that is too long."""


def _harmless(logger: WrappedLogger, method: str, record: EventDict) -> EventDict:
    """What handlers and callers wrote cannot steer the terminal."""
    return {name: _harmless_value(value) for name, value in record.items()}


def _harmless_value(value: Any) -> Any:
    return sanitize_terminal(value) if isinstance(value, str) else value


def _harmless_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    shown = newest(written.getvalue(), limits.SERVICE_LOG_VALUE_BYTES_MAX)
    stream.write(sanitize_terminal(shown, newline_allowed=True))
