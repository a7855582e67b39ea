"""A private PostgreSQL: started, stopped, killed and paused by the test that owns it."""

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Self

import asyncpg
import psutil

from tests.servers import process_tree
from tests.servers.ground import as_server_user, ground
from tests.servers.ports import free_port

USER = "observatory"
READY_S_MAX = 60.0
STOP_S_MAX = 30.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",  # in the folder, so that it goes with the folder
    "max_connections": "100",
    "shared_buffers": "32MB",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
"""What a kill of the processes cannot harm: only a machine that stops loses what was not synced."""


class CannotStartServer(Exception):
    """It ended or was not ready in time; the message ends with its log."""


class PrivatePostgres:
    """
    A PostgreSQL server as our child, on a free port of loopback, with its data in a folder of its own.

    Whoever connects as the user of `url` owns everything in it, without a password. Port and data stay the same from
    one start to the next. Nothing of it outlives this process, however that ends.

    Args:
        is_durable: Commits are synced as in production. Without, they survive `kill` all the same, and are quick.
        settings: More settings of the server, by name; they win.
    """

    def __init__(self, *, is_durable: bool = False, settings: Mapping[str, str] | None = None) -> None:
        self.is_durable = is_durable
        self.settings = SETTINGS | ({} if is_durable else NOT_DURABLE) | dict(settings or {})
        self.port = free_port()
        self.folder = _new_folder()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of the postmaster, our child."""
        assert self.process is not None, "the server is not running"
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """*port*: of a proxy before the server."""
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{database}"

    def log(self) -> str:
        """What the server wrote since it was made, over all its starts."""
        path = self.folder / "server.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def start(self) -> None:
        """
        Returns when the server answers a query: after a kill, when it has recovered every committed transaction.

        Raises:
            CannotStartServer: With the end of its log.
        """
        assert not self.is_running, "the server is running"
        self._forget_a_lock_of_nobody()
        given = [f"--{name}={value}" for name, value in (self.settings | {"port": str(self.port)}).items()]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [_program("postgres"), "-D", str(self._data), *given],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **as_server_user(),
            )
        self._until_it_answers()

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, connections are closed. The data stay for `start`."""
        if self.process is None:
            return
        self.resume()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """As a power cut: `kill -9` to the postmaster and every backend, none of which learns of the others' end."""
        if self.process is None:
            return
        process_tree.kill(self.process.pid)
        self.process.wait()
        self.process = None

    def pause(self) -> None:
        """Stand still with every backend: connections stay open and nothing answers. New ones are not accepted."""
        process_tree.pause(self.pid)

    def resume(self) -> None:
        """Go on where `pause` held it; does nothing to a server that runs."""
        process_tree.resume(self.pid)

    def close(self) -> None:
        """Stop, and remove the folder. A server whose data are about to go needs no shutdown that keeps them."""
        if self.process is not None:
            self.stop()
        _free_shared_memory(self._data)
        shutil.rmtree(self.folder)

    def create_database(self, name: str, template: str = "template1") -> str:
        """
        A new database with all that *template* has; gives its URL. Nobody may be connected to the template.

        It takes some 7 ms, or 20 ms with a durable server: copying files is the faster way where nothing is synced,
        and writing the pages to the log where a copy has to be synced file by file.
        """
        strategy = f"STRATEGY = {'WAL_LOG' if self.is_durable else 'FILE_COPY'}" if _version() >= 15 else ""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Whoever is connected loses the connection. Does nothing if there is no such database."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def terminate_backends(self, database: str) -> int:
        """End every connection to the database, as an administrator does; gives how many there were."""
        rows = self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
            database,
        )
        return len(rows)

    def execute(self, statement: str, *arguments: object, database: str = "postgres", user: str = USER) -> list[Any]:
        """One statement over a connection of its own, outside any transaction; gives its rows. Blocks."""

        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.url(database), user=user, timeout=READY_S_MAX)
            try:
                return await connection.fetch(statement, *arguments)
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as thread:  # a test's own loop may be running in this one
            return thread.submit(asyncio.run, ask()).result()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _until_it_answers(self) -> None:
        end_s = time.monotonic() + READY_S_MAX
        while self.is_running and time.monotonic() < end_s:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                self.execute("SELECT 1")
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
                time.sleep(0.01)
            else:
                return
        ended = f"ended with {self.process.poll()}" if self.process else ""
        self.kill()
        raise CannotStartServer(f"PostgreSQL {ended or 'is not ready'}; its log ends:\n{self.log()[-2000:]}")

    def _forget_a_lock_of_nobody(self) -> None:
        """
        PostgreSQL sees for itself that the lock it finds after a kill is stale, unless the number was given to another
        process meanwhile, which happens when tests start thousands of them.
        """
        path = self._data / "postmaster.pid"
        if path.exists() and psutil.pid_exists(int(path.read_text(encoding="ascii").split()[0])):
            path.unlink()


@cache
def missing() -> str | None:
    """How to get PostgreSQL, in one line; None if it is here."""
    if _folder_of_programs() is not None:
        return None
    return "PostgreSQL is not installed: `make services` installs it (Debian: sudo apt-get install postgresql)"


@cache
def _folder_of_programs() -> Path | None:
    """The newest version of Debian's, or what PATH has."""
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres") if _has_initdb(path)]
    on_path = shutil.which("postgres")
    if on_path is not None and _has_initdb(Path(on_path).resolve()):
        installed.append(Path(on_path).resolve().parent)
    return max(installed, key=_major_version, default=None)


def _has_initdb(postgres: Path) -> bool:
    return (postgres.parent / "initdb").exists()


def _major_version(folder: Path) -> int:
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int("".join(letter if letter.isdigit() else " " for letter in said).split()[0])


@cache
def _version() -> int:
    folder = _folder_of_programs()
    assert folder is not None, missing()
    return _major_version(folder)


def _program(name: str) -> str:
    folder = _folder_of_programs()
    assert folder is not None, missing()
    return str(folder / name)


@cache
def _template() -> Path:
    """Data as initdb makes them, once per process: a copy takes a tenth of the time."""
    folder = ground() / "template"
    done = subprocess.run(
        [
            *(_program("initdb"), "-D", str(folder), "-U", USER),
            *("--auth=trust", "--no-sync", "--encoding=UTF8"),
            f"--locale={'C.UTF-8' if sys.platform == 'linux' else 'C'}",
        ],
        cwd=ground(),
        capture_output=True,
        text=True,
        check=False,
        **as_server_user(),
    )
    if done.returncode:
        raise CannotStartServer(f"initdb ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return folder


_number = iter(range(1, sys.maxsize))


def _new_folder() -> Path:
    folder = ground() / f"postgres-{next(_number)}"
    folder.mkdir(mode=0o755)
    subprocess.run(["cp", "-Rp", str(_template()), str(folder / "data")], check=True)
    return folder


def _free_shared_memory(data: Path) -> None:
    """After a kill the system keeps a few bytes of shared memory; its number is in the lock that was left."""
    path = data / "postmaster.pid"
    words = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    if len(words) > 6 and shutil.which("ipcrm"):
        segment = words[6].split()[-1]
        subprocess.run(["ipcrm", "-m", segment], capture_output=True, check=False)
