"""How a process reaches the services: found at first use, found again when they moved, never shared with a fork."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet, finalize

import msgspec

from observatory.client.address import Address, find_address
from observatory.client.api import Api
from observatory.client.async_api import AsyncApi
from observatory.client.errors import NotReachable, ServiceFailed
from observatory.core import limits
from observatory.core.sources import Clock, Ids
from observatory.processor.current import current_job
from observatory.runtime.sources import SystemClock, SystemIds
from observatory.sdk.errors import WrongPlace

T = TypeVar("T")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Which observatory is meant."""

    url: str | None = None
    """Of its gateway. None is `ODD_GATEWAY_URL`, else the one that runs in the data folder."""
    token: str | None = None
    """None is `ODD_TOKEN`, else the data folder's own; that one is sent only to this machine."""
    data_dir: str | None = None
    """None is `ODD_DATA_DIR`, else the user's data folder."""

    def __repr__(self) -> str:
        return f"Target(url={self.url!r}, data_dir={self.data_dir!r})"

    def find(self) -> Address:
        """Raises as `find_address`."""
        environ = dict(os.environ) if self.token is None else {**os.environ, "ODD_TOKEN": self.token}
        return find_address(gateway=self.url, data_dir=self.data_dir, environ=environ)


class Place(Protocol):
    """Where the services of a connection are, and what passes there for time and chance."""

    clock: Clock
    ids: Ids

    def find(self) -> Address:
        """Raises NotReachable when nothing is known to run."""
        ...

    def open(self, address: Address) -> Api: ...

    def open_async(self, address: Address) -> AsyncApi: ...

    def pause(self, seconds: float) -> None: ...

    async def pause_async(self, seconds: float) -> None: ...


class Network:
    """The services that run somewhere, in real time."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.clock: Clock = SystemClock()
        self.ids: Ids = SystemIds()

    def find(self) -> Address:
        return self.target.find()

    def open(self, address: Address) -> Api:
        return Api(address, clock=self.clock)

    def open_async(self, address: Address) -> AsyncApi:
        return AsyncApi(address, clock=self.clock)

    def pause(self, seconds: float) -> None:
        threading.Event().wait(seconds)

    async def pause_async(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Persistence:
    """
    One submit, which is repeated under its key while the services are away.

    Only a service that was reached before, or took the request and did not answer, is waited for: that nothing
    runs at all is said at once.
    """

    def __init__(self, now_s: float) -> None:
        self._began_s = now_s
        self._pause_s = limits.SUBMIT_PAUSE_S_MIN

    def failed(self, error: NotReachable | ServiceFailed, now_s: float, *, was_reached: bool) -> float:
        """
        How long to pause before the next try.

        Raises:
            NotReachable, ServiceFailed: *error*, when there shall be none.
        """
        is_hopeful = was_reached or isinstance(error, ServiceFailed) or error.was_sent
        if not is_hopeful or now_s - self._began_s >= limits.SUBMIT_PATIENCE_S:
            raise error
        pause_s = self._pause_s
        self._pause_s = min(limits.WAIT_PAUSE_S_MAX, self._pause_s * 2)
        return pause_s


class _Held:
    """What a connection has open: closed with it, with the last reference to it, or at the end of the process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.api: Api | None = None
        self._not_ours: list[Api | None] = []

    def close(self) -> None:
        with self.lock:
            api, self.api = self.api, None
        if api is not None:
            api.close()

    def leave_to_parent(self) -> None:
        """In a fork: the sockets are the parent's, and the locks may be held by threads that are not here."""
        self.lock = threading.Lock()
        self._not_ours.append(self.api)
        self.api = None


class Connection:
    """Several threads may use it at once. A fork of the process begins with none."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.was_reached = False
        """Whether some call was answered, as far as this process knows."""
        self._held = _Held()
        finalize(self, self._held.close)
        _held_anywhere.add(self._held)

    def ask(self, question: Callable[[Api], T]) -> T:
        """
        The answer to *question*, asked once.

        Raises:
            WrongPlace: Inside a coroutine handler.
            NotReachable, ServiceFailed, RequestRefused, BadAnswer: As `Api` says.
        """
        refuse_to_block()
        try:
            answer = question(self._opened())
        except NotReachable as error:
            self._look_again()
            _explain(error)
            raise
        self.was_reached = True
        return answer

    def persist(self, question: Callable[[Api], T]) -> T:
        """As `ask`, repeated while the services are away. Only for what carries an idempotency key."""
        persistence = Persistence(self.place.clock.monotonic())
        while True:
            try:
                return self.ask(question)
            except (NotReachable, ServiceFailed) as error:
                pause_s = persistence.failed(error, self.place.clock.monotonic(), was_reached=self.was_reached)
            self.place.pause(pause_s)

    def close(self) -> None:
        """End the connections; the next call opens new ones. Safe to call twice."""
        self._held.close()

    def _opened(self) -> Api:
        with self._held.lock:
            if self._held.api is None:
                self._held.api = self.place.open(self.place.find())
            return self._held.api

    def _look_again(self) -> None:
        """After a restart the services may be elsewhere: let go of where nobody is any more."""
        api = self._held.api
        if api is None or _is_still_there(self.place, api.address):
            return
        with self._held.lock:
            if self._held.api is not api:
                return
            self._held.api = None
        api.close()


class AsyncConnection:
    """Several tasks and event loops may use it at once: each loop has sockets of its own. As `Connection` besides."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.was_reached = False
        self._apis: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncApi] = WeakKeyDictionary()
        self._not_ours: list[Any] = []
        _held_anywhere.add(self)

    async def ask(self, question: Callable[[AsyncApi], Awaitable[T]]) -> T:
        try:
            answer = await question(self._opened())
        except NotReachable as error:
            await self._look_again()
            _explain(error)
            raise
        self.was_reached = True
        return answer

    async def persist(self, question: Callable[[AsyncApi], Awaitable[T]]) -> T:
        persistence = Persistence(self.place.clock.monotonic())
        while True:
            try:
                return await self.ask(question)
            except (NotReachable, ServiceFailed) as error:
                pause_s = persistence.failed(error, self.place.clock.monotonic(), was_reached=self.was_reached)
            await self.place.pause_async(pause_s)

    async def close(self) -> None:
        """End the connections of the running loop; the next call opens new ones. Safe to call twice."""
        api = self._apis.pop(asyncio.get_running_loop(), None)
        if api is not None:
            await api.close()

    def _opened(self) -> AsyncApi:
        loop = asyncio.get_running_loop()
        api = self._apis.get(loop)
        if api is None:
            api = self._apis[loop] = self.place.open_async(self.place.find())
        return api

    async def _look_again(self) -> None:
        api = self._apis.get(asyncio.get_running_loop())
        if api is not None and not _is_still_there(self.place, api.address):
            await self.close()

    def leave_to_parent(self) -> None:
        self._not_ours.append(self._apis)
        self._apis = WeakKeyDictionary()


def refuse_to_block() -> None:
    """
    Raises:
        WrongPlace: A coroutine handler calls, whose loop may be the very one that has to answer.
    """
    job = current_job.get()
    if job is None:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise WrongPlace(f"this call blocks the event loop that {job.type} runs on: await the same call of .aio instead")


def _explain(error: NotReachable) -> None:
    """Let a traceback show what the command line would print below the error."""
    remedy = error.remedy if error.was_sent else _REMEDY
    note = f"{error.why}\n{remedy}" if error.why else remedy
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


_REMEDY = (
    "start it:  odd-dashboard up --app MODULE:APP\n"
    "or say where it is:  ODD_GATEWAY_URL or ODD_DATA_DIR, or url= or data_dir= of Observatory() or Client()"
)


def _is_still_there(place: Place, address: Address) -> bool:
    try:
        return place.find() == address
    except NotReachable:
        return True


_held_anywhere: WeakSet[_Held | AsyncConnection] = WeakSet()


def _leave_all_to_parent() -> None:
    for held in list(_held_anywhere):
        held.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)
