"""
Runs attempts in kept child processes, one attempt at a time in each: what crashes is one attempt.

What a kept child promises to the next attempt: the folder and the umask are those of the start, and no
thread, no program in the process group, no resource limit, no signal handler and no timer of an earlier
attempt is there. A child in which an attempt left one of these, or that had to be killed, is not used
again; what was left ends with it, at the end of its attempt. What is kept on purpose: modules, globals
and the environment, so that the application is imported once. A program that left the process group
(`setsid`) lives on; where it goes on printing to what it inherited, it is told that nobody reads it any more.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import structlog

from observatory.core import limits
from observatory.core.job import JsonObject
from observatory.core.sources import Clock
from observatory.processor import child_protocol as protocol
from observatory.processor import ending
from observatory.processor.call import Call
from observatory.processor.child_output import ChildOutput
from observatory.processor.context import StopReason
from observatory.processor.lifeline import Lifeline
from observatory.processor.said import Said
from observatory.processor.stopping import Patience, Stop, TimeLimits, until_over

_log = structlog.get_logger("observatory.children")

_START_CHILD = "import sys; from observatory.processor.child import main; sys.exit(main())"


class Exited(msgspec.Struct, frozen=True):
    """The child is no more; its last answer if it did not give one."""

    code: int
    """Its exit status, or the number of the signal that killed it, below 0."""


Answer = protocol.FromChild | Exited


class ChildProcess(asyncio.SubprocessProtocol):
    """The processor's end of one child."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._frames = protocol.Frames()
        self._answer: asyncio.Future[Answer] = loop.create_future()
        self._is_read_to_the_end = False
        self._has_ended_what_it_left = False
        self.lifeline = Lifeline()
        self.output = ChildOutput()
        self.on_progress: Callable[[protocol.Progressed], object] | None = None
        """Hears the progress of the attempt that runs."""
        self.gone: asyncio.Future[Exited] = loop.create_future()
        """Done when the process has ended and everything it said is read."""

    async def start(self, folder: Path | None) -> None:
        """
        Start it in *folder*; None is the current one.

        Raises:
            OSError: The system gives no process.
        """
        ends = self.lifeline.passed
        try:
            await self._loop.subprocess_exec(
                lambda: self,
                *(sys.executable, "-P", "-c", _START_CHILD, *map(str, ends)),
                stderr=self.output.childs_end,
                cwd=folder,
                start_new_session=True,
                pass_fds=ends,
            )
        except BaseException:
            self.lifeline.let_go()
            self.output.end()
            raise
        self.lifeline.keep_our_end()
        self.output.begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._to_child = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))

    def ask(self, message: protocol.ToChild) -> "asyncio.Future[Answer]":
        """Say *message*; the future gives the child's next answer, or that it exited. Never raises."""
        self._answer = self._loop.create_future()
        if self.gone.done():
            self._answer.set_result(self.gone.result())
        else:
            self.tell(message)
        return self._answer

    def tell(self, message: protocol.ToChild) -> None:
        """Say *message*, which has no answer; without effect on a child that is gone."""
        if not self._to_child.is_closing():
            self._to_child.write(protocol.framed(message))

    def close(self) -> None:
        """Let an idle child end by itself."""
        self._to_child.close()

    def kill(self) -> None:
        """End the child, and what it started in its process group, at once."""
        if self.gone.done():
            return  # its number may be somebody else's by now
        if sys.platform == "win32":
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._transport.get_pid(), signal.SIGKILL)

    # --- what the loop reports --------------------------------------------------------------------

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        try:
            for body in self._frames.feed(cast("bytes", data)):
                self._hear(protocol.decode_from_child(body))
        except (ValueError, msgspec.MsgspecError):
            self.kill()  # a handler wrote into the pipe: nothing that comes through it can be believed

    def _hear(self, message: protocol.FromChild) -> None:
        if not isinstance(message, protocol.Progressed):
            self._give(message)
        elif self.on_progress is not None:
            self.on_progress(message)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._is_read_to_the_end = True
            if self._transport.get_returncode() is not None:
                self._end_what_it_left()
                self._end()

    def process_exited(self) -> None:
        self._end_what_it_left()
        if self._is_read_to_the_end:
            self._end()
        else:
            self._loop.call_later(limits.CHILD_LAST_WORDS_S, self._end)

    def _end_what_it_left(self) -> None:
        """
        What a crashed attempt started must not meet the next one.

        Once, by whichever report comes first: the loop knows the exit code before it says so here, and the end
        of the pipe may come between. Later the number of the group may be somebody else's.
        """
        if not self._has_ended_what_it_left:
            self._has_ended_what_it_left = True
            self.kill()

    def _end(self) -> None:
        if self.gone.done():
            return
        self.gone.set_result(Exited(self._transport.get_returncode() or 0))
        self._give(self.gone.result())
        self._transport.close()
        self.lifeline.let_go()
        self.output.end()

    def _give(self, answer: Answer) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)
        elif not isinstance(answer, Exited):
            self.kill()  # it speaks although nobody asked: its next word would be taken for an answer


class Children:
    """
    The child processes of one processor: started on first use, kept as long as they live.

    There are never more of them than attempts that run in a process at the same time. They start in the
    folder, and find their modules where, this was made: a handler that moves the processor to another
    folder moves none of them.

    Args:
        app: `module:attribute` of the application that every child imports.
        clock: Its class is the clock of the children as well.
    """

    def __init__(self, *, app: str, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._folder = _current_folder()
        self._sys_path = _sys_path_from(self._folder)
        self._idle: list[ChildProcess] = []
        self._alive: set[ChildProcess] = set()

    @property
    def count(self) -> int:
        return len(self._alive)

    async def run(
        self, call: Call, payload: JsonObject, stop: Stop, limit: TimeLimits, patience: Patience
    ) -> ending.Ended:
        """
        Call the handler in a child, which is killed when the time is over. Never raises.

        `run_s` is what passed without the start of a child.
        """
        child = self._take_idle()
        if child is None:
            starting = asyncio.ensure_future(self._start(call.said))
            start_limit = TimeLimits(hard_s=limits.CHILD_START_S_MAX)
            reason = await _or_cancel(starting, stop, start_limit, patience)
            if reason is StopReason.TIMEOUT:
                message = f"the child was not ready after {limits.CHILD_START_S_MAX:g} s and was killed"
                return ending.crashed(message, kind="ChildNotReady")
            if reason is not None:
                return call.stopped(reason, "it had not begun")
            child = starting.result()
            if isinstance(child, ending.Ended):
                return child
        began_s = self._clock.monotonic()
        ended = await self._run_in(child, call, payload, stop=stop, limit=limit, patience=patience)
        return msgspec.structs.replace(ended, run_s=self._clock.monotonic() - began_s)

    async def _run_in(
        self, child: ChildProcess, call: Call, payload: JsonObject, *, stop: Stop, limit: TimeLimits, patience: Patience
    ) -> ending.Ended:
        memory_bytes_max = call.handler.memory_bytes_max
        attempt = call.attempt

        def show(reason: StopReason) -> None:
            child.tell(protocol.Ask(attempt.job_id, attempt.fence, reason))

        def note(message: protocol.Progressed) -> None:
            if message.is_of(attempt):
                call.said.progress.put(message.progress)

        # Before the question: a child may have printed already when the call that asks it returns.
        child.on_progress = note
        child.output.belongs_to(call.said.log)
        answer = child.ask(protocol.Run(attempt, payload, memory_bytes_max))
        try:
            reason = await until_over(answer, stop, limit, patience, on_ask=show)
        except asyncio.CancelledError:
            child.kill()
            raise
        finally:
            child.on_progress = None
        if reason is not None:
            await self._end(child)
            return call.stopped(reason, "it was killed")
        child.output.belongs_to(None)
        came = answer.result()
        if isinstance(came, Exited):
            return ending.crashed(_how_it_ended(came, memory_bytes_max))
        if not isinstance(came, protocol.Done) or not came.is_of(attempt):
            await self._end(child)
            return ending.crashed("the child answered for something else and was killed")
        error = came.ended.error
        if error is not None and error.type == ending.MEMORY_LIMIT:
            await self._end(child)  # nobody knows what else in it did not get its memory
        elif came.left_behind is not None:
            _log.info("child not kept", job=attempt.job_id, job_type=attempt.type, left_behind=came.left_behind)
            await self._end(child)
        else:
            self._idle.append(child)
        return came.ended

    async def stop(self) -> None:
        """End all children; idle ones may end by themselves."""
        for child in self._alive:
            if child in self._idle:
                child.close()
            else:
                child.kill()
        await _wait_until_gone(self._alive)
        for child in tuple(self._alive):
            await self._end(child)

    def _take_idle(self) -> ChildProcess | None:
        while self._idle:
            child = self._idle.pop()
            if not child.gone.done():
                return child
        return None

    async def _start(self, said: Said) -> ChildProcess | ending.Ended:
        """A child that is ready, or how it failed to be. What it says meanwhile is *said* by the attempt that waits."""
        try:
            child = ChildProcess()
            child.output.belongs_to(said.log)
            await child.start(self._folder if self._folder and self._folder.is_dir() else None)
        except OSError as error:
            return ending.crashed(f"no child could be started: {error}", kind="ChildNotReady")
        self._alive.add(child)
        child.gone.add_done_callback(lambda _: self._alive.discard(child))
        hello = protocol.Hello(self._app, protocol.spec_of(type(self._clock)), self._sys_path)
        try:
            answer = await child.ask(hello)
        except asyncio.CancelledError:
            child.kill()
            raise
        if isinstance(answer, protocol.Ready):
            return child
        await self._end(child)
        if isinstance(answer, protocol.NotReady):
            error = answer.error
            message = f"the child could not import {self._app}: {error.type}: {error.message}"
            failure = ending.error_of("ChildNotReady", message, error.traceback)
            return ending.Ended(outcome=ending.Outcome.CRASHED, error=failure)
        how = _how_it_ended(answer, None) if isinstance(answer, Exited) else "it answered out of turn"
        return ending.crashed(f"the child did not become ready: {how}", kind="ChildNotReady")

    async def _end(self, child: ChildProcess) -> None:
        child.kill()
        await _wait_until_gone({child})


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return None


def _sys_path_from(folder: Path | None) -> list[str]:
    """`sys.path`, in which an empty entry is the current folder, without anything relative."""
    return [entry if folder is None else str(folder / entry) for entry in sys.path]


async def _wait_until_gone(children: set[ChildProcess]) -> None:
    """Bounded: a process that the system cannot end must not hold up its processor."""
    if children:
        await asyncio.wait({child.gone for child in children}, timeout=limits.CHILD_END_S)


async def _or_cancel(
    starting: "asyncio.Future[ChildProcess | ending.Ended]", stop: Stop, limit: TimeLimits, patience: Patience
) -> StopReason | None:
    """As `until_over`, but ends *starting* when it is not waited for any longer."""
    try:
        reason = await until_over(starting, stop, limit, patience)
    except asyncio.CancelledError:
        starting.cancel()
        raise
    if reason is not None:
        starting.cancel()
        await asyncio.wait({starting}, timeout=limits.CHILD_END_S)
    return reason


def _how_it_ended(exited: Exited, memory_bytes_max: int | None) -> str:
    """For the person who reads the history: no more than is known."""
    under = "" if memory_bytes_max is None else f", under memory_bytes_max of {memory_bytes_max} bytes"
    if exited.code >= 0:
        return f"exited with code {exited.code} before it gave a result{under}"
    number = -exited.code
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unnamed"
    return f"killed by signal {number} ({name}){under}"
