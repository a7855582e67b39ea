"""A private RabbitMQ: started and ended by whoever owns it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Self

from tests.servers import process_tree
from tests.servers.ground import as_server_user, ground
from tests.servers.ports import free_port
from tests.servers.postgres import CannotStartServer

READY_S_MAX = 90.0
_number = iter(range(1, sys.maxsize))


class PrivateRabbitmq:
    """
    A RabbitMQ broker as our child, on free ports of loopback, with its data in a folder of its own.

    Its name server of the language runtime is a child of ours too, on a port of its own. Nothing of them outlives this
    process, however that ends.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = ground() / f"rabbitmq-{next(_number)}"
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def __enter__(self) -> Self:
        """
        Returns when it takes connections.

        Raises:
            CannotStartServer: With the end of its log.
        """
        self.folder.mkdir()
        (self.folder / "plugins").write_text("[].", encoding="ascii")
        if os.geteuid() == 0:
            user = as_server_user()["user"]
            for path in (self.folder, self.folder / "plugins"):
                shutil.chown(path, user)
        environ = self._environ()
        self._start([_name_server(), "-port", environ["ERL_EPMD_PORT"], "-address", "127.0.0.1"], environ)
        self._start([_program(), "-noinput"], environ)
        self._until_it_greets()
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process_tree.kill(process.pid)
            process.wait()
        shutil.rmtree(self.folder)

    def _environ(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
            "RABBITMQ_CONFIG_FILE": f"{folder}/none",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_MNESIA_BASE": folder,
            "RABBITMQ_NODENAME": f"odd{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _start(self, command: list[str], environ: dict[str, str]) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(command, cwd=self.folder, env=environ, stdout=log, stderr=log, **as_server_user())
            )

    def _until_it_greets(self) -> None:
        end_s = time.monotonic() + READY_S_MAX
        while self._processes[-1].poll() is None and time.monotonic() < end_s:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                    connection.sendall(b"AMQP\x00\x00\x09\x01")
                    if connection.recv(1):
                        return
            except OSError:
                time.sleep(0.1)
        log = (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")
        self.__exit__()
        raise CannotStartServer(f"RabbitMQ is not ready; its log ends:\n{log[-2000:]}")


def missing() -> str | None:
    """How to get RabbitMQ, in one line; None if it is here."""
    if _found() and shutil.which("epmd"):
        return None
    return "RabbitMQ is not installed (Debian: sudo apt-get install rabbitmq-server)"


@cache
def _found() -> Path | None:
    """The script behind Debian's wrapper, which would change to a user of its own and to the one place of its data."""
    return max(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"), default=None)


def _program() -> str:
    found = _found()
    assert found is not None, missing()
    return str(found)


def _name_server() -> str:
    found = shutil.which("epmd")
    assert found is not None, missing()
    return found
