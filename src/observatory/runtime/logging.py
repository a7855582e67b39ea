"""Where log records go: standard error, as lines for a person on a terminal, else as one JSON object per line."""

import contextlib
import io
import logging
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from observatory.core.text import sanitize_terminal
from observatory.processor.capture import current_tail

JOB_LOGGER = "observatory.job"
"""What handlers log through their context. In the log of the service others are heard from `warning` on."""


def configure_logging(level: str, *, stream: TextIO | None = None) -> None:
    """
    Send the records of this process, ours and those of the standard library, to *stream*.

    What a handler logs in this process is also in the log of its attempt, from `info` on whoever logs it.
    Tracebacks never hold the values of variables. A stream that nobody reads any more loses records and harms
    nothing else: what logs is often about to deal with a failure. May be called again.

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
        structlog.stdlib.ProcessorFormatter(
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
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]


def _for_people() -> list[Processor]:
    return [_harmless, structlog.dev.ConsoleRenderer(exception_formatter=_harmless_traceback)]


def _harmless(logger: WrappedLogger, method: str, record: EventDict) -> EventDict:
    """What handlers and callers wrote cannot steer the terminal."""
    return {name: _harmless_value(value) for name, value in record.items()}


def _harmless_value(value: Any) -> Any:
    return sanitize_terminal(value) if isinstance(value, str) else value


def _harmless_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    stream.write(sanitize_terminal(written.getvalue(), newline_allowed=True))
