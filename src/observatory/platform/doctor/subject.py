"""
What is examined: one installation on one machine.

What belongs to the runtime (settings, lock, schema, handlers) comes in as values and functions, so that a
test gives the facts that it wants to see judged.
"""

import contextlib
import functools
import shlex
import shutil
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import msgspec

from observatory.client.data_folder import Running, read_running
from observatory.client.errors import NotReachable
from observatory.core import limits
from observatory.core.sources import Clock

CLOSE_S_MAX = 1.0
HEALTH_BYTES_MAX = 64 * 1024
PROBE_PREFIX = ".doctor-probe-"


@dataclass(frozen=True, kw_only=True)
class Build:
    """The program that looks."""

    version: str
    commit: str
    built_at: str
    """RFC 3339, or a word when it is not known."""
    python: str
    is_checkout: bool
    """True in the source tree, where `make setup` installs."""
    event_loop: str


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port as the settings have it."""

    service: str
    """As its health page names it."""
    flag: str
    number: int
    """0 means a free one."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that has the data folder."""

    running: Running | None
    """As it described itself; it may have ended since."""
    answers: bool
    is_held: bool
    fault: str = ""
    """Why nothing certain is known about it, in one sentence."""
    remedy: str = ""

    @property
    def called(self) -> str:
        return f"process {self.running.pid}" if self.running else "a process"


class Probes:
    """Folders that checks made to try something, so that none outlives the examination."""

    def __init__(self) -> None:
        self._folders: list[Path] = []
        self._lock = threading.Lock()
        self._is_closed = False

    @contextlib.contextmanager
    def folder(self, place: Path) -> Generator[Path]:
        """A private folder inside of *place*, removed at the end."""
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the examination has ended")
            path = Path(tempfile.mkdtemp(prefix=PROBE_PREFIX, dir=place))
            self._folders.append(path)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Remove what is left, also below a check that was given up."""
        is_locked = self._lock.acquire(timeout=CLOSE_S_MAX)  # a check may stand still inside of it
        self._is_closed = True
        for path in self._folders:
            shutil.rmtree(path, ignore_errors=True)
        if is_locked:
            self._lock.release()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One installation."""

    build: Build
    data_dir: Path
    data_dir_origin: str
    problems: tuple[str, ...] = ()
    """Of the settings."""
    host: str = "127.0.0.1"
    ports: tuple[Port, ...] | None = None
    """None when the settings cannot be used."""
    app: str | None = None
    environ: Mapping[str, str]
    stdout: TextIO
    clock: Clock
    is_held: Callable[[Path], bool]
    """Whether a process has the lock of the data folder."""
    schema_of: Callable[[Path], tuple[int, int] | None]
    """The schema of the data and the newest that is known; None without data. Raises `CannotStart`."""
    types_of: Callable[[str], list[str]]
    """The job types of an application. Raises `BadSettings`; `TimeoutError` when its import takes too long."""
    probes: Probes = field(default_factory=Probes)

    @functools.cached_property
    def owner(self) -> Owner:
        """Who has the data folder. Looked for once."""
        running, fault, remedy = None, "", ""
        try:
            running = read_running(self.data_dir)
        except NotReachable as error:
            fault, remedy = f"{error} ({error.why})", error.remedy
        answers = running is not None and service_at(running.gateway) == "gateway"
        try:
            is_held = answers or self.is_held(self.data_dir)
        except OSError as error:
            is_held = False
            fault = f"who has the folder cannot be told ({error.strerror or error})"
            remedy = f"ls -la {shlex.quote(str(self.data_dir))}  # and run this as its owner"
        return Owner(running=running, answers=answers, is_held=is_held, fault=fault, remedy=remedy)

    @property
    def place(self) -> Path:
        """The data folder, or the nearest folder above it that exists and may be seen."""
        return next((path for path in (self.data_dir, *self.data_dir.parents) if is_folder(path)), self.data_dir)


def is_folder(path: Path) -> bool:
    """False also where the system does not let us see it."""
    try:
        return path.is_dir()
    except OSError:
        return False


def service_at(url: str) -> str | None:
    """Which of our services answers at *url*; None when none does. Asks no proxy."""
    parts = urlsplit(url)
    try:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=limits.DOCTOR_ANSWER_S_MAX)
        with contextlib.closing(connection):
            connection.request("GET", "/healthz", headers={"Connection": "close"})
            health = msgspec.json.decode(connection.getresponse().read(HEALTH_BYTES_MAX), type=_Health)
    except (OSError, HTTPException, ValueError):
        return None
    return health.service


class _Health(msgspec.Struct):
    service: str
