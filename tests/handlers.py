"""Handlers that do to a processor what handlers do: `tests.handlers:app`, also imported by child processes."""

import asyncio
import contextlib
import ctypes
import io
import logging
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from observatory import Discard, JobContext, Observatory, Retry, RetryPolicy, Snooze
from observatory.core import limits
from observatory.core.job import Outcome
from observatory.processor.child_protocol import Done, framed
from observatory.processor.ending import Ended

app = Observatory()

MIB = 1024 * 1024


class Gate:
    """Where a handler in a thread of this process waits until a test lets it go on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def wait(self) -> None:
        self.entered.set()
        self.opened.wait()


gates: dict[str, Gate] = {}
"""By job id; a test makes one before it runs the job."""


# --- well behaved ---------------------------------------------------------------------------------


@app.job("quick")
async def quick(ctx: JobContext, /, **payload: Any) -> dict[str, Any]:
    return payload


@app.job("quick.thread")
def quick_thread(ctx: JobContext, /, **payload: Any) -> dict[str, Any]:
    return payload


@app.job("quick.process", runs_in="process")
def quick_process(ctx: JobContext, /, **payload: Any) -> dict[str, Any]:
    return payload


@app.job("typed", max_attempts=5, timeout_s=30, runs_in="process")
def typed(ctx: JobContext, *, path: str, width: int = 256) -> dict[str, Any]:
    return {"path": path, "width": width}


@app.job("who.process", runs_in="process")
def who_process(ctx: JobContext) -> dict[str, Any]:
    stdin_is_empty = sys.stdin.read() == ""
    return {"pid": os.getpid(), "ppid": os.getppid(), "pgid": os.getpgrp(), "stdinIsEmpty": stdin_is_empty}


@app.job("where.process", runs_in="process")
def where_process(ctx: JobContext) -> str:
    return str(Path.cwd())


@app.job("context.async", timeout_s=60)
async def context_async(ctx: JobContext) -> dict[str, Any]:
    return context_of(ctx)


@app.job("context.process", runs_in="process", timeout_s=60)
def context_process(ctx: JobContext) -> dict[str, Any]:
    return context_of(ctx)


@app.job("context.thread", timeout_s=60)
def context_thread(ctx: JobContext) -> dict[str, Any]:
    return context_of(ctx)


def context_of(ctx: JobContext) -> dict[str, Any]:
    return {
        "jobId": ctx.job_id,
        "type": ctx.type,
        "attempt": ctx.attempt,
        "maxAttempts": ctx.max_attempts,
        "fence": ctx.fence,
        "idempotencyKey": ctx.idempotency_key,
        "correlationId": ctx.correlation_id,
        "secondsLeft": ctx.seconds_left,
        "deadline": ctx.deadline.isoformat(),
        "shouldStop": ctx.should_stop,
    }


@app.job("polite", soft_timeout_s=0.05)
async def polite(ctx: JobContext) -> None:
    while True:
        ctx.stop_if_asked()
        await asyncio.sleep(0)


@app.job("polite.thread", soft_timeout_s=0.05)
def polite_thread(ctx: JobContext) -> None:
    while True:
        ctx.stop_if_asked()


@app.job("polite.process", runs_in="process", soft_timeout_s=0.05)
def polite_process(ctx: JobContext) -> None:
    while True:
        ctx.stop_if_asked()


@app.job("obliging.thread")
def obliging_thread(ctx: JobContext) -> str:
    gates[ctx.job_id].entered.set()
    while not ctx.should_stop:
        pass
    return "what was done so far"


# --- endings that a handler asks for --------------------------------------------------------------


@app.job("snooze")
async def snooze(ctx: JobContext, *, in_s: float = 60.0) -> None:
    raise Snooze(in_s)


@app.job("retry", retry=RetryPolicy(base_s=10.0))
async def retry(ctx: JobContext, *, in_s: float | None = None) -> None:
    raise Retry("the other side is busy", in_s=in_s)


@app.job("discard")
async def discard(ctx: JobContext) -> None:
    raise Discard("nobody will ever want this")


@app.job("snooze.process", runs_in="process")
def snooze_process(ctx: JobContext) -> None:
    raise Snooze(60.0)


# --- failures -------------------------------------------------------------------------------------


class Broken(Exception):
    """A failure whose message is chosen by the test."""


class Unspeakable(Exception):
    """Cannot even say what is wrong."""

    def __str__(self) -> str:
        raise RuntimeError("no message")


class Interrupting(Exception):
    """Ends whoever asks for its notes."""

    @property
    def __notes__(self) -> list[str]:
        raise KeyboardInterrupt


class Biting(str):
    """Text that does not let anybody work with it."""

    __slots__ = ()

    def bite(self, *_args: Any, **_options: Any) -> Any:
        raise KeyboardInterrupt

    replace = encode = isascii = startswith = __format__ = __getitem__ = __len__ = bite


class BitingMessage(Exception):
    """Has a message that is text by name only."""

    def __str__(self) -> str:
        return Biting("it broke")


class NoName(type):
    """The class of a class that cannot be named."""

    @property
    def __name__(cls) -> str:
        raise KeyboardInterrupt


class Nameless(Exception, metaclass=NoName):
    """Has no name to be shown."""


class EndlessTrace(Exception):
    """Pretends that its traceback never ends."""

    @property
    def __traceback__(self) -> Any:
        return self

    @property
    def tb_next(self) -> Any:
        return self


class EndlessCause(Exception):
    """Was always caused by yet another one."""

    @property
    def __cause__(self) -> Any:
        return EndlessCause()


class NoClass(Exception):
    """Does not say what it is."""

    @property
    def __class__(self) -> Any:
        raise KeyboardInterrupt


HOSTILE = (Interrupting, BitingMessage, Nameless, EndlessTrace, EndlessCause, NoClass)


def raise_hostile(number: int) -> None:
    raise HOSTILE[number]("it broke")


@app.job("hostile")
async def hostile(ctx: JobContext, *, number: int) -> None:
    raise_hostile(number)


@app.job("hostile.thread")
def hostile_thread(ctx: JobContext, *, number: int) -> None:
    raise_hostile(number)


@app.job("hostile.process", runs_in="process")
def hostile_process(ctx: JobContext, *, number: int) -> None:
    raise_hostile(number)


class Ending(BaseException):
    """Meant to end everything, as an application may define one."""


EXIT = {
    "SystemExit": SystemExit(4),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "GeneratorExit": GeneratorExit(),
    "StopIteration": StopIteration(),
    "Ending": Ending(),
    "BaseExceptionGroup": BaseExceptionGroup("several", [Ending(), KeyboardInterrupt()]),
    "Unspeakable": Unspeakable(),
}


def raise_as_told(kind: str, message: str) -> None:
    secret = "hunter2 in a local variable"  # noqa: F841 — tests look for it where it must not be
    raise EXIT.get(kind, Broken(message))


@app.job("raise")
async def raise_async(ctx: JobContext, *, kind: str = "", message: str = "it broke") -> None:
    raise_as_told(kind, message)


@app.job("raise.thread")
def raise_thread(ctx: JobContext, *, kind: str = "", message: str = "it broke") -> None:
    raise_as_told(kind, message)


@app.job("raise.process", runs_in="process")
def raise_process(ctx: JobContext, *, kind: str = "", message: str = "it broke") -> None:
    raise_as_told(kind, message)


def call_itself() -> None:
    call_itself()


@app.job("recurse")
async def recurse(ctx: JobContext) -> None:
    call_itself()


@app.job("recurse.thread")
def recurse_thread(ctx: JobContext) -> None:
    call_itself()


@app.job("recurse.process", runs_in="process")
def recurse_process(ctx: JobContext) -> None:
    call_itself()


UNUSABLE: dict[str, Any] = {
    "object": object(),
    "nan": {"a": [float("nan")]},
    "infinity": float("inf"),
    "surrogate": {"name": "\udc80"},
    "nul": {"text": "a\0b"},
    "integer": {"n": 2**53},
    "too large": "x" * (limits.RESULT_BYTES_MAX + 1),
    "largest": "x" * (limits.RESULT_BYTES_MAX - 2),
}
endless: list[Any] = []
endless.append(endless)
UNUSABLE["endless"] = endless


@app.job("give")
async def give(ctx: JobContext, *, what: str) -> Any:
    return UNUSABLE[what]


@app.job("give.process", runs_in="process")
def give_process(ctx: JobContext, *, what: str) -> Any:
    return UNUSABLE[what]


# --- handlers that do not end ---------------------------------------------------------------------


@app.job("wait")
async def wait(ctx: JobContext) -> None:
    await asyncio.Event().wait()


deaf_may_end: dict[str, asyncio.Event] = {}
"""By job id; a test makes one before it runs `deaf`."""


@app.job("deaf")
async def deaf(ctx: JobContext) -> str:
    """Ignores every cancellation until it may end."""
    while not deaf_may_end[ctx.job_id].is_set():
        try:
            await deaf_may_end[ctx.job_id].wait()
        except asyncio.CancelledError:
            continue
    return "ended at last"


@app.job("rescue.own.result")
async def rescue_own_result(ctx: JobContext) -> str:
    """Answers its cancellation with a result."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "finished in time"
    return ""


@app.job("bad.cleanup")
async def bad_cleanup(ctx: JobContext) -> None:
    """Answers its cancellation with another exception."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError as cancelled:
        raise Broken("the connection was already closed") from cancelled


@app.job("cancel.oneself")
async def cancel_oneself(ctx: JobContext) -> None:
    raise asyncio.CancelledError


@app.job("stuck.thread")
def stuck_thread(ctx: JobContext) -> str:
    """Waits at its gate, whatever it is asked."""
    gates[ctx.job_id].wait()
    return "ended at last"


@app.job("forever.thread")
def forever_thread(ctx: JobContext) -> None:
    threading.Event().wait()


@app.job("forever.deaf")
async def forever_deaf(ctx: JobContext) -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


@app.job("fork.thread")
def fork_thread(ctx: JobContext, *, pid_file: str) -> None:
    """Leaves a copy of the processor behind that goes on by itself."""
    pid = os.fork()
    if pid == 0:
        while True:
            signal.pause()
    Path(pid_file).write_text(str(pid), encoding="ascii")


@app.job("block.loop")
async def block_loop(ctx: JobContext) -> None:
    """Holds up everything else in the loop."""
    threading.Event().wait()


@app.job("block.at.gate")
async def block_at_gate(ctx: JobContext) -> str:
    """Holds up everything else in the loop until a thread opens its gate."""
    gates[ctx.job_id].wait()
    return "opened"


@app.job("forever.process", runs_in="process")
def forever_process(ctx: JobContext, *, fifo: str | None = None) -> None:
    """Never looks at anything. Says in *fifo* that it runs, and holds it open as long as it does."""
    said = fifo and Path(fifo).open("w", encoding="ascii", buffering=1)
    if said:
        said.write(f"{os.getpid()}\n")
    while True:
        pass


@app.job("family.process", runs_in="process")
def family_process(ctx: JobContext, *, fifo: str, then: str) -> None:
    """Starts a program that waits for ever and holds *fifo* open; then exits, returns, or goes on and on."""
    said = Path(fifo).open("w", encoding="ascii", buffering=1)
    waits = [sys.executable, "-c", "import signal; signal.pause()"]
    started = subprocess.Popen(waits, pass_fds=(said.fileno(),))
    said.write(f"{os.getpid()} {started.pid}\n")
    if then == "exit":
        os._exit(3)
    if then == "return":
        return
    if then == "hold the interpreter":
        re.match(r"(a+)+$", "a" * 64 + "b")  # no other thread runs until it returns, in some hundred years
    while True:
        pass


# --- handlers that take their process with them ---------------------------------------------------


@app.job("segfault.process", runs_in="process")
def segfault_process(ctx: JobContext) -> None:
    ctypes.string_at(0)


@app.job("exit.process", runs_in="process")
def exit_process(ctx: JobContext, *, code: int = 3) -> None:
    os._exit(code)


@app.job("kill.oneself", runs_in="process")
def kill_oneself(ctx: JobContext, *, number: int) -> None:
    os.kill(os.getpid(), number)


@app.job("eat.memory", runs_in="process", memory_bytes_max=64 * MIB)
def eat_memory(ctx: JobContext, *, mib: int) -> int:
    """Eats *mib* in small bites, as a leak does."""
    eaten = [bytes(MIB) for _ in range(mib)]
    return len(eaten)


@app.job("die.of.memory", runs_in="process", memory_bytes_max=64 * MIB)
def die_of_memory(ctx: JobContext) -> None:
    """Ignores, as some C code does, that it got no memory."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    ctypes.memset(libc.malloc(ctypes.c_size_t(512 * MIB)) or 0, 0, 1)


def forget_to_wait() -> None:
    subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])


def lower_a_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))


TRACES: dict[str, Callable[[], object]] = {
    "threads": lambda: threading.Thread(target=threading.Event().wait, daemon=True).start(),
    "child processes": forget_to_wait,
    "resource limits": lower_a_limit,
    "signal handlers": lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
    "blocked signals": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]),
    "timers": lambda: signal.alarm(3600),
    "a lack of modules": sys.modules.clear,
    "nothing": lambda: None,
    "folder": lambda: os.chdir("/"),
    "umask": lambda: os.umask(0o777),
    "a program that has ended": lambda: subprocess.run([sys.executable, "-V"], check=True),
    "a thread that has ended": lambda: run_to_the_end(threading.Thread(target=int)),
}
"""What a handler may leave behind in its process, by name."""


def run_to_the_end(thread: threading.Thread) -> None:
    thread.start()
    thread.join()


@app.job("leave", runs_in="process")
def leave(ctx: JobContext, *, what: str) -> int:
    """Leaves *what* behind; gives the number of its process."""
    pid = os.getpid()
    TRACES[what]()
    return pid


@app.job("surroundings", runs_in="process")
def surroundings(ctx: JobContext) -> dict[str, Any]:
    umask = os.umask(0)
    os.umask(umask)
    return {"pid": os.getpid(), "folder": str(Path.cwd()), "umask": umask}


@app.job("close.everything", runs_in="process")
def close_everything(ctx: JobContext) -> None:
    """Closes file descriptors that are not its own, as code that turns itself into a daemon does."""
    os.closerange(3, 256)


@app.job("babble.into.pipe", runs_in="process")
def babble_into_pipe(ctx: JobContext) -> None:
    """Writes to every file descriptor there is."""
    for fd in range(3, 16):
        try:
            os.write(fd, b"\xff" * 64)
        except OSError:
            continue
    while True:
        pass


@app.job("fork", runs_in="process")
def fork(ctx: JobContext, *, copy: str) -> dict[str, Any]:
    """Two processes come back; the *copy* ends first."""
    pid = os.fork()
    if pid == 0:
        if copy == "exits":
            sys.exit(5)
        if copy == "raises":
            raise Broken("only in the copy")
        return {"from": "the copy"}
    _, status = os.waitpid(pid, 0)
    return {"from": "the original", "copy": os.waitstatus_to_exitcode(status)}


@app.job("fork.in.c", runs_in="process")
def fork_in_c(ctx: JobContext) -> str:
    """As an extension forks: Python's own hooks do not run in the copy."""
    pid = ctypes.CDLL(None).fork()
    if pid == 0:
        return "the copy"
    os.waitpid(pid, 0)
    return "the original"


@app.job("fork.and.terminate", runs_in="process")
def fork_and_terminate(ctx: JobContext) -> int:
    """As `multiprocessing` ends its processes."""
    process = multiprocessing.get_context("fork").Process(target=threading.Event().wait)
    process.start()
    process.terminate()
    process.join()
    return process.exitcode or 0


def square(number: int) -> int:
    return number * number


@app.job("multiprocess", runs_in="process")
def multiprocess(ctx: JobContext) -> list[int]:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(square, range(4))


@app.job("answer.for.another", runs_in="process")
def answer_for_another(ctx: JobContext) -> None:
    forge_answers(Done(ctx.job_id, ctx.fence - 1, Ended(outcome=Outcome.SUCCEEDED, result="forged")))


@app.job("answer.twice", runs_in="process")
def answer_twice(ctx: JobContext) -> None:
    answer = Done(ctx.job_id, ctx.fence, Ended(outcome=Outcome.SUCCEEDED, result="forged"))
    forge_answers(answer, answer)


def forge_answers(*answers: Done) -> None:
    """Write them into every pipe there is, and never come back."""
    for fd in range(3, 16):
        with contextlib.suppress(OSError):
            os.write(fd, b"".join(map(framed, answers)))
    while True:
        pass


@app.job("print.much", runs_in="process")
def print_much(ctx: JobContext, *, lines: int) -> int:
    for number in range(lines):
        print("line", number)
    print("to stderr", file=sys.stderr)
    ctx.log.info("logged by the handler")
    return lines


# --- saying how far they are, and what they do ----------------------------------------------------


def _count(ctx: JobContext, count: int, message: str) -> int:
    for number in range(1, count + 1):
        ctx.progress(done=number, total=count, message=message)
    return count


@app.job("count.async")
async def count_async(ctx: JobContext, *, count: int, message: str = "") -> int:
    return _count(ctx, count, message)


@app.job("count.thread")
def count_thread(ctx: JobContext, *, count: int, message: str = "") -> int:
    return _count(ctx, count, message)


@app.job("count.process", runs_in="process")
def count_process(ctx: JobContext, *, count: int, message: str = "") -> int:
    return _count(ctx, count, message)


def _say(ctx: JobContext, text: str, times: int) -> str:
    for number in range(times):
        print(text, number)
        print(text, number, "to stderr", file=sys.stderr)
    ctx.log.info("%s by the logger of the context", text)
    logging.getLogger("somebody.else").warning("%s by a logger", text)
    return text


@app.job("say.async")
async def say_async(ctx: JobContext, *, text: str, times: int = 1) -> str:
    _say(ctx, text, times)
    await asyncio.sleep(0)
    await asyncio.to_thread(print, text, "from a thread of asyncio")
    return text


@app.job("say.thread")
def say_thread(ctx: JobContext, *, text: str, times: int = 1) -> str:
    return _say(ctx, text, times)


@app.job("say.process", runs_in="process")
def say_process(ctx: JobContext, *, text: str, times: int = 1) -> str:
    return _say(ctx, text, times)


class Unshowable:
    def __str__(self) -> str:
        raise ValueError("it cannot be shown")


class Final:
    def __str__(self) -> str:
        raise SystemExit(3)


class Talkative:
    def __str__(self) -> str:
        logging.getLogger("shop").warning("about to show %s", self)
        return "myself"


def _close_twice() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.close()
        with stream as same:
            same.write("")
    wrapper: Any = io.TextIOWrapper(sys.stdout.buffer)
    wrapper.close()


def _detach() -> None:
    for stream in (sys.stdout, sys.stdout.buffer):
        with contextlib.suppress(io.UnsupportedOperation):
            stream.detach()  # pyright: ignore[reportAttributeAccessIssue]
            raise AssertionError("it let go")


def _rewind() -> None:
    for move in (lambda: sys.stdout.seek(0), lambda: sys.stdout.truncate(0)):
        with contextlib.suppress(OSError):
            move()


_LONG = "%d" + "x" * 10**6

MISUSES: dict[str, Callable[[], object]] = {
    "template": lambda: logging.getLogger("shop").warning("%d rows", "three"),
    "argument": lambda: logging.getLogger("shop").warning("%s rows", Unshowable()),
    "message": lambda: logging.getLogger("shop").warning(Unshowable()),
    "long": lambda: logging.getLogger("shop").warning(_LONG, "three"),
    "recursive": lambda: logging.getLogger("shop").warning("%s", Talkative()),
    "close": _close_twice,
    "detach": _detach,
    "reconfigure": lambda: sys.stdout.reconfigure(encoding="latin-1", errors="strict"),  # pyright: ignore[reportAttributeAccessIssue]
    "rewind": _rewind,
    "surrogate": lambda: print("a\ud800b"),
    "bytes": lambda: (sys.stdout.buffer.write(b"caf\xc3\xa9 \xff\n"), sys.stdout.buffer.flush()),
}


def _misuse(ctx: JobContext, how: str) -> list[Any]:
    if how == "stops":
        ctx.log.warning("%s", Final())
    if how == "replaces and closes":
        sys.stdout = sys.stderr = io.StringIO()
        sys.stdout.close()
        return []
    MISUSES[how]()
    print("heard \u0444")
    ctx.log.info("logged")
    return [sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.closed, sys.stdout.writable()]


@app.job("misuse.async")
async def misuse_async(ctx: JobContext, *, how: str) -> list[Any]:
    return _misuse(ctx, how)


@app.job("misuse.thread")
def misuse_thread(ctx: JobContext, *, how: str) -> list[Any]:
    return _misuse(ctx, how)


@app.job("misuse.process", runs_in="process")
def misuse_process(ctx: JobContext, *, how: str) -> list[Any]:
    return _misuse(ctx, how)


@app.job("say.raw", runs_in="process")
def say_raw(ctx: JobContext) -> None:
    os.write(1, b"half \xff and \x1b[31mred\0\nwithout an end")


@app.job("say.and.die", runs_in="process")
def say_and_die(ctx: JobContext) -> None:
    print("the last words")
    ctypes.string_at(0)


def flood(mib: int) -> int:
    block = ("x" * 1023 + "\n") * 1024
    for _ in range(mib):
        sys.stdout.write(block)
    return mib


@app.job("flood.async", timeout_s=120)
async def flood_async(ctx: JobContext, *, mib: int) -> int:
    return flood(mib)


@app.job("flood.thread", timeout_s=120)
def flood_thread(ctx: JobContext, *, mib: int) -> int:
    return flood(mib)


@app.job("flood.process", runs_in="process", timeout_s=120)
def flood_process(ctx: JobContext, *, mib: int) -> int:
    return flood(mib)


# --- classes of exceptions ------------------------------------------------------------------------


class Fleeting(ConnectionError):
    """Of a kind that is tried again."""


class Lasting(Fleeting):
    """Of a kind that is not, though its base is."""


_KINDS: dict[str, type[Exception]] = {"fleeting": Fleeting, "lasting": Lasting, "other": KeyError, "wish": Retry}


def _raise_kind(kind: str) -> None:
    raise _KINDS[kind]("as declared")


@app.job("declared.async", retry_on=(ConnectionError,), discard_on=(Lasting,))
async def declared_async(ctx: JobContext, *, kind: str) -> None:
    _raise_kind(kind)


@app.job("declared.thread", retry_on=(ConnectionError,), discard_on=(Lasting,))
def declared_thread(ctx: JobContext, *, kind: str) -> None:
    _raise_kind(kind)


@app.job("declared.process", runs_in="process", retry_on=(ConnectionError,), discard_on=(Lasting,))
def declared_process(ctx: JobContext, *, kind: str) -> None:
    _raise_kind(kind)


# --- asked to stop --------------------------------------------------------------------------------


def _heed(ctx: JobContext, then: str) -> str:
    ctx.progress(message="begun")
    while not ctx.should_stop:
        time.sleep(0.005)
    if then == "stop":
        ctx.stop_if_asked()
    if then == "raise":
        raise RuntimeError("while it stopped")
    return str(ctx.stop_reason)


@app.job("heed.async")
async def heed_async(ctx: JobContext, *, then: str) -> str:
    ctx.progress(message="begun")
    reason = await ctx.stopping()
    if then == "stop":
        ctx.stop_if_asked()
    if then == "raise":
        raise RuntimeError("while it stopped")
    return str(reason)


@app.job("heed.thread")
def heed_thread(ctx: JobContext, *, then: str) -> str:
    return _heed(ctx, then)


@app.job("heed.process", runs_in="process")
def heed_process(ctx: JobContext, *, then: str) -> str:
    return _heed(ctx, then)


@app.job("count.slowly")
def count_slowly(ctx: JobContext) -> None:
    ctx.progress(done=1, total=2, message="half way")
    time.sleep(2.5)
