"""
The child process: `main`, in an interpreter that `in_process` starts.

It speaks `child_protocol` over its standard input and output, which it moves out of the handlers'
way first: they read nothing, and what they print goes to standard error, a pipe that the processor reads
into the log of the attempt. The handler runs in the main thread; a second thread listens, so that the end
of the processor is noticed during work too, and a third one sends the handler's progress.
"""

import contextlib
import faulthandler
import io
import logging
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn, TextIO, cast

from observatory.core.handler import Handler
from observatory.core.job import Outcome, Progress
from observatory.core.sources import Clock
from observatory.processor import child_protocol as protocol
from observatory.processor import ending
from observatory.processor.app_spec import load_attribute, load_handlers
from observatory.processor.call import arguments_of
from observatory.processor.capture import current_tail
from observatory.processor.child_reports import ChildReports
from observatory.processor.context import JobContext, StopFlag
from observatory.processor.current import current_job
from observatory.processor.handlers_stream import HandlersStream
from observatory.processor.left_behind import Surroundings
from observatory.processor.lifeline import hang_on
from observatory.processor.log_lines import LINE, ForgivingFormatter

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None

_READ_BYTES = 64 * 1024
_FOR_THE_PROCESSOR = (signal.SIGINT, signal.SIGTERM)


class Child:
    """
    Runs the attempts that come through *from_processor*, one after the other, until it is closed.

    Args:
        from_processor, to_processor: File descriptors of the two pipes.
    """

    def __init__(self, from_processor: int, to_processor: int) -> None:
        self._from_processor = from_processor
        self._to_processor = to_processor
        self._frames = protocol.Frames()
        self._runs: queue.SimpleQueue[tuple[protocol.Run, StopFlag] | None] = queue.SimpleQueue()
        self._running: tuple[protocol.Run, StopFlag] | None = None
        self._held = threading.local()
        self._pid = os.getpid()
        self._saying = threading.Lock()
        self._reports = ChildReports(self._say)
        if sys.platform != "win32":
            os.register_at_fork(
                before=self._hold_signals, after_in_parent=self._let_signals_through, after_in_child=self._become_a_copy
            )

    def serve(self) -> int:
        """Returns the exit status of the process."""
        messages = self._messages()
        hello = next(messages, None)
        if not isinstance(hello, protocol.Hello):
            return 0 if hello is None else 2
        sys.path[:] = hello.sys_path
        try:
            handlers = load_handlers(hello.app)
            clock: Clock = load_attribute(hello.clock)()
        except BaseException as error:  # noqa: BLE001 — an import may raise anything, SystemExit included
            self._say(protocol.NotReady(ending.error_from(error)))
            return 1
        threading.Thread(target=self._listen, args=(messages,), name="listen", daemon=True).start()
        self._reports.start()
        self._say(protocol.Ready())
        self._work(handlers, clock)
        return 0

    def _work(self, handlers: Mapping[str, Handler], clock: Clock) -> None:
        surroundings = Surroundings()
        while (item := self._runs.get()) is not None:
            run, stop = item
            report = self._reports.begin(run.attempt)
            ended = _attempt(run, handlers, clock, stop, report=report, pid=self._pid)
            self._running = None
            self._reports.end()
            done = protocol.Done(run.attempt.job_id, run.attempt.fence, ended, surroundings.restore())
            _flush()
            self._say(done)

    def _listen(self, messages: Iterator[protocol.ToChild]) -> None:
        """The second thread. When the processor is gone, nobody wants the rest of the work."""
        try:
            for message in messages:
                if isinstance(message, protocol.Run):
                    self._running = message, StopFlag()
                    self._runs.put(self._running)
                elif isinstance(message, protocol.Ask) and (running := self._running) is not None:
                    run, stop = running
                    if (message.job_id, message.fence) == (run.attempt.job_id, run.attempt.fence):
                        stop.ask(message.reason)
        finally:
            if self._running is not None:
                _end_with_everything_it_started()
            self._runs.put(None)

    def _messages(self) -> Iterator[protocol.ToChild]:
        """What the processor says, until it closes the pipe."""
        while piece := os.read(self._from_processor, _READ_BYTES):
            for body in self._frames.feed(piece):
                yield protocol.decode_to_child(body)

    def _hold_signals(self) -> None:
        """Before a fork: a signal that comes to the copy before it is one would be taken for the processor's."""
        if sys.platform != "win32":
            self._held.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_PROCESSOR)

    def _let_signals_through(self) -> None:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, self._held.mask)

    def _become_a_copy(self) -> None:
        """In a copy that a handler made with `fork`: neither hear nor say anything, and end when told to."""
        self._reports.become_a_copy()
        _let_anybody_end_this()
        self._let_signals_through()
        for pipe in (self._from_processor, self._to_processor):
            with contextlib.suppress(OSError):
                os.close(pipe)

    def _say(self, message: protocol.FromChild) -> None:
        _end_if_a_copy(self._pid)  # of an import, or one of an attempt that came this far
        rest = memoryview(protocol.framed(message))
        with self._saying:
            while rest:
                rest = rest[os.write(self._to_processor, rest) :]


def _attempt(
    run: protocol.Run,
    handlers: Mapping[str, Handler],
    clock: Clock,
    stop: StopFlag,
    *,
    report: Callable[[Progress], object],
    pid: int,
) -> ending.Ended:
    """How the attempt ended. Only the process *pid* returns from here."""
    handler = handlers.get(run.attempt.type)
    if handler is None:
        error = ending.error_of("UnknownType", f"the application has no job type {run.attempt.type}")
        return ending.Ended(outcome=Outcome.FAILED, error=error)
    context = JobContext(run.attempt, clock=clock, stop=stop, report=report)
    current_job.set(context)
    try:
        arguments = arguments_of(handler, run.payload)
        with _MemoryLimit(run.memory_bytes_max):
            value = handler.function(context, **arguments)
    except BaseException as error:  # noqa: BLE001 — a SystemExit is a failed attempt and no more
        _end_if_a_copy(pid, error)
        if issubclass(type(error), MemoryError) and run.memory_bytes_max is not None:
            message = f"went past memory_bytes_max ({run.memory_bytes_max} bytes)"
            return ending.crashed(message, kind=ending.MEMORY_LIMIT, error=error)
        return ending.raised(error, asked=stop.reason, timeout_s=run.attempt.timeout_s, handler=handler)
    _end_if_a_copy(pid)
    return ending.returned(value)


def _end_if_a_copy(pid: int, error: BaseException | None = None) -> None:
    """
    Where a handler called `fork`, two processes come back from it; the one that is not *pid* ends here.

    It ends as any program would that returned or raised *error*, for the sake of a handler that waits for it.
    """
    if os.getpid() == pid:
        return
    code: object = 0 if error is None else 1
    if isinstance(error, SystemExit):
        code = error.code or 0
    elif error is not None:
        with contextlib.suppress(BaseException):  # an exception may be unable to show itself
            traceback.print_exception(error)
    _flush()
    os._exit(code & 0xFF if isinstance(code, int) else 1)


class _MemoryLimit:
    """Lets the address space grow by at most *bytes_max* from here; no limit where the system knows none."""

    def __init__(self, bytes_max: int | None) -> None:
        self._bytes_max = bytes_max
        self._before: tuple[int, int] | None = None

    def __enter__(self) -> None:
        used_bytes = _address_space_bytes()
        if self._bytes_max is None or resource is None or used_bytes is None:
            return
        self._before = resource.getrlimit(resource.RLIMIT_AS)
        hard = self._before[1]
        allowed = used_bytes + self._bytes_max
        resource.setrlimit(resource.RLIMIT_AS, (allowed if hard < 0 else min(allowed, hard), hard))

    # Not a generator: what ends one touches the exception, and the exception is the handler's.
    def __exit__(self, *_: object) -> None:
        if self._before is not None and resource is not None:
            # It fails when the handler lowered the hard limit; then the child is not kept.
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_AS, self._before)


def _address_space_bytes() -> int | None:
    try:
        with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123 — once per attempt: the quick way
            return int(pages.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return None


# --- what the process is made of ------------------------------------------------------------------


def _flush() -> None:
    with contextlib.suppress(Exception):  # a handler may have closed or replaced them
        sys.stdout.flush()
        sys.stderr.flush()


def _end_with_everything_it_started() -> NoReturn:
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _take_pipes() -> tuple[int, int]:
    """Move the two pipes away from descriptors 0 and 1, where handlers would meet them."""
    from_processor, to_processor = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return from_processor, to_processor


def _let_only_the_processor_end_this() -> None:
    """A signal to the whole terminal or service comes to the processor, which drains first."""
    for number in _FOR_THE_PROCESSOR:
        # Not SIG_IGN, which every program that a handler starts would inherit.
        signal.signal(number, _stay)


def _stay(_number: int, _frame: object) -> None:
    """Handles a signal that is meant for the processor."""


def _let_anybody_end_this() -> None:
    """Handlers end their copies by signals, as `multiprocessing` does."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is _stay:
            signal.signal(number, usual)


def _show_what_handlers_say() -> None:
    """On standard error, line by line, so that a crash loses little of it; no attempt can close it for the next."""
    faulthandler.enable()  # says where a fatal signal struck
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
            setattr(sys, name, cast("TextIO", HandlersStream(cast("TextIO", stream), current_tail)))
    shown = logging.StreamHandler()
    shown.setFormatter(ForgivingFormatter(LINE))
    logging.basicConfig(level=logging.INFO, handlers=[shown])


def main() -> int:
    """Serve until the processor closes the pipe. The arguments are the numbers of the inherited lifelines."""
    for childs_end in sys.argv[1:]:
        hang_on(int(childs_end))
    sys.argv[1:] = []
    pipes = _take_pipes()
    _let_only_the_processor_end_this()
    _show_what_handlers_say()
    return Child(*pipes).serve()
