"""A private PgBouncer in transaction mode before a private PostgreSQL: killed and started by the test that owns it."""

import shutil
import subprocess
import sys
import time
from collections.abc import Collection
from functools import cache
from typing import Self

from tests.servers.ground import as_server_user, ground
from tests.servers.ports import free_port, is_listening
from tests.servers.postgres import USER, CannotStartServer, PrivatePostgres

READY_S_MAX = 20.0
STOP_S_MAX = 5.0
CONFIG = """
[databases]
* = host=127.0.0.1 port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {sessions_max}
server_lifetime = {lifetime_s}
server_round_robin = 1
max_client_conn = 500
log_connections = 0
log_disconnections = 0
"""
"""Nothing in it is for us: no parameter of a start-up is ignored, no statement resets a session."""

_number = iter(range(1, sys.maxsize))


class PrivatePgBouncer:
    """
    A PgBouncer as our child, on a free port of loopback; each transaction gets one of a few sessions of *server*.

    Every database of *server* is reached through it. It may be killed and started again, at the same port.

    Args:
        users: Who may connect, without a password.
        sessions_max: Those of the server, for each database and user.
        is_forgetful: Each transaction gets a session that nobody had before, and that nobody has again.
    """

    def __init__(
        self,
        server: PrivatePostgres,
        *,
        users: Collection[str] = (USER,),
        sessions_max: int = 4,
        is_forgetful: bool = False,
    ) -> None:
        self.port = free_port()
        self.folder = ground() / f"pgbouncer-{next(_number)}"
        self.folder.mkdir(mode=0o755)
        self.process: subprocess.Popen[bytes] | None = None
        (self.folder / "users").write_text("".join(f'"{user}" ""\n' for user in users), encoding="ascii")
        config = CONFIG.format(
            server_port=server.port,
            port=self.port,
            folder=self.folder,
            sessions_max=sessions_max,
            lifetime_s=0 if is_forgetful else 3600,
        )
        (self.folder / "pgbouncer.ini").write_text(config, encoding="ascii")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """
        Returns when it takes connections.

        Raises:
            CannotStartServer: With the end of its log.
        """
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [_program(), str(self.folder / "pgbouncer.ini")],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **as_server_user(),
            )
        end_s = time.monotonic() + READY_S_MAX
        while not is_listening(self.port):
            if self.process.poll() is not None or time.monotonic() > end_s:
                self.kill()
                raise CannotStartServer(f"PgBouncer is not ready; its log ends:\n{self.log()[-2000:]}")
            time.sleep(0.01)

    def kill(self) -> None:
        """As `kill -9`: every connection through it is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=STOP_S_MAX)
            self.process = None

    def close(self) -> None:
        """End it at once, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    def url(self, database: str, user: str = USER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def log(self) -> str:
        """What it wrote, over all its starts."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")


@cache
def missing() -> str | None:
    """How to get PgBouncer, in one line; None if it is here."""
    if _found() is not None:
        return None
    return "PgBouncer is not installed: `make services` installs it (Debian: sudo apt-get install pgbouncer)"


def _found() -> str | None:
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


def _program() -> str:
    found = _found()
    assert found is not None, missing()
    return found
