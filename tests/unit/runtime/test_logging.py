import contextlib
import io
import json
import logging
import os
from collections.abc import Generator
from typing import TextIO

import pytest
import structlog

from observatory.core import limits
from observatory.runtime.logging import JOB_LOGGER, configure_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Generator[None]:
    root, job = logging.getLogger(), logging.getLogger(JOB_LOGGER)
    handlers, levels = root.handlers[:], (root.level, job.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    job.setLevel(levels[1])
    structlog.reset_defaults()


def records(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_stream_that_is_no_terminal_gets_one_json_object_per_record() -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)

    structlog.get_logger("observatory.x").warning("loop failed", loop="relay")
    logging.getLogger(JOB_LOGGER).info("two\nlines", extra={"job_id": "j1"})

    ours, handlers = records(stream)
    assert (ours["event"], ours["level"], ours["loop"]) == ("loop failed", "warning", "relay")
    assert (handlers["event"], handlers["level"], handlers["job_id"]) == ("two\nlines", "info", "j1")
    assert str(ours["timestamp"]).endswith("Z")


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_setting_decides_what_is_shown(level: str, shown: int) -> None:
    ours, theirs = io.StringIO(), io.StringIO()

    configure_logging(level, stream=ours)
    for name in ("debug", "info", "warning", "error"):
        getattr(structlog.get_logger(), name)("said")
    configure_logging(level, stream=theirs)
    for name in ("debug", "info", "warning", "error"):
        getattr(logging.getLogger(JOB_LOGGER), name)("said")

    assert (len(records(ours)), len(records(theirs))) == (shown, shown)


def test_other_libraries_are_heard_from_warning_on() -> None:
    stream = io.StringIO()
    configure_logging("debug", stream=stream)

    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("trouble")

    assert [record["event"] for record in records(stream)] == ["trouble"]


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_a_traceback_holds_no_variables(stream: io.StringIO) -> None:
    configure_logging("info", stream=stream)

    def fail(password: str) -> None:
        raise ValueError("it broke")

    secret = f"canary-{4711}"  # stands in no line of the source, which a traceback may show
    try:
        fail(secret)
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=error)

    assert "it broke" in stream.getvalue()
    assert "canary-4711" not in stream.getvalue()


def test_what_a_handler_logs_cannot_steer_a_terminal() -> None:
    stream = Terminal()
    configure_logging("info", stream=stream)

    logging.getLogger(JOB_LOGGER).info("\x1b]0;title\x07")
    try:
        raise ValueError("\x1b[2J")
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=error)

    said = stream.getvalue()
    assert "\x1b]0" not in said
    assert "\x1b[2J" not in said
    assert "\\x1b]0;title\\x07" in said


def test_a_text_is_shown_up_to_its_limit_and_of_a_longer_one_the_beginning() -> None:
    stream, people = io.StringIO(), Terminal()
    most = "a" * limits.SERVICE_LOG_VALUE_BYTES_MAX
    for shown in (stream, people):
        configure_logging("info", stream=shown)
        logging.getLogger("shop").error(most)
        logging.getLogger("shop").error("%sa", most)
        structlog.get_logger().error(most * 1000)

    whole, *cut = records(stream)
    assert whole["event"] == most
    assert [record["event"] for record in cut] == [most[:-3] + "…"] * 2
    assert [line.count("a" * 100) >= 80 and len(line) < 9000 for line in people.getvalue().splitlines()] == [True] * 3


def test_a_line_is_shown_up_to_its_limit_and_a_longer_one_without_its_extras() -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)
    log = logging.getLogger("shop")
    log.error("many", extra={"rows": [""]})
    most = limits.SERVICE_LOG_LINE_BYTES_MAX - len(stream.getvalue()) + 1  # a line end is not counted
    log.error("many", extra={"rows": ["a" * most]})
    log.error("many", extra={"rows": ["a" * (most + 1)]})

    _, whole, longer = stream.getvalue().splitlines()
    assert len(whole) == limits.SERVICE_LOG_LINE_BYTES_MAX
    assert json.loads(longer).keys() == {"event", "level", "timestamp", "left_out"}
    assert json.loads(longer)["event"] == "many"


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_of_a_long_traceback_the_end_is_shown(stream: io.StringIO) -> None:
    configure_logging("info", stream=stream)
    try:
        raise ValueError("a" * 10**6 + "\ud800 the end")
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=error)
        logging.getLogger("shop").exception("failed")

    assert stream.getvalue().count("the end") == 2
    assert len(stream.getvalue()) < 4 * limits.SERVICE_LOG_VALUE_BYTES_MAX


def test_an_extra_that_cannot_be_shown_costs_no_more_than_its_record() -> None:
    class Unshowable:
        def __str__(self) -> str:
            raise ValueError("it cannot be shown")

    stream = io.StringIO()
    configure_logging("info", stream=stream)
    logging.getLogger("shop").error("sold", extra={"what": Unshowable()})

    (record,) = records(stream)
    assert record["event"] == "sold (could not be formatted: ValueError: it cannot be shown)"


@pytest.fixture
def unread() -> Generator[TextIO]:
    """A pipe of which nobody has the other end."""
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", buffering=1, encoding="utf-8")
    yield stream
    with contextlib.suppress(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize("logger", ["ours", "of a handler"])
def test_a_stream_that_nobody_reads_harms_nothing(
    logger: str, unread: TextIO, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("info", stream=unread)
    log = structlog.get_logger() if logger == "ours" else logging.getLogger(JOB_LOGGER)

    returned = [log.error("lost"), log.error("lost as well")]

    assert returned == [None, None]
    # The standard library raises nothing: it complains here.
    assert capsys.readouterr().err == ""
