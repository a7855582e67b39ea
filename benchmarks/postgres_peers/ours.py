"""Our side."""

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg

from benchmarks.postgres_peers import our_app
from benchmarks.postgres_peers.side import BATCH, Side, begun
from observatory import Observatory
from tests.e2e.process import PROGRAM, ROOT, environment
from tests.servers.postgres import PrivatePostgres

FREE_PORTS = {"ODD_GATEWAY_PORT": "0", "ODD_READ_MODEL_PORT": "0"}


class Ours(Side):
    """Gateway, maintenance, metrics engine and read model as processes of their own; one worker with 32 slots."""

    name = "ours"
    unfinished = "SELECT EXISTS (SELECT FROM observatory.jobs WHERE status IN ('PENDING', 'EXECUTING', 'VALIDATED'))"

    def __init__(self, folder: Path, server: PrivatePostgres, database: str) -> None:
        super().__init__(folder, server, database)
        self.environ |= environment(folder / "data") | FREE_PORTS | {"POSTGRES_URL": self.url}
        subprocess.run([*PROGRAM, "migrate"], cwd=ROOT, env=self.environ, check=True, capture_output=True)
        self._roles = [self._role(role) for role in ("gateway", "maintenance", "metrics-engine", "read-model")]
        gateway = self._url_of(self._roles[0])
        self._app = Observatory(gateway, token=(folder / "data" / "token").read_text(encoding="ascii").strip())
        self._app.include(our_app.app)

    def _role(self, role: str) -> "subprocess.Popen[str]":
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*PROGRAM, "serve", role, "--json"],
                cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        begun(process)
        return process

    def _url_of(self, process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        for line in process.stdout:
            step = json.loads(line)
            if step["name"] == "gateway":
                return step["text"]
        raise AssertionError((self.folder / "log").read_text(encoding="utf-8"))

    def submit_one(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._app.submit("noop", number=number)

    def submit_in(self, numbers: Sequence[int]) -> None:
        """One caller in transactions of its own, each with one job."""
        with psycopg.connect(self.url) as connection:
            for number in numbers:
                self._app.submit_in(connection, "noop", number=number)
                connection.commit()

    def submit_fast(self, numbers: Sequence[int]) -> None:
        for first in range(0, len(numbers), BATCH):
            self._app.submit_many(self._app.request("noop", number=n) for n in numbers[first : first + BATCH])

    def worker_commands(self) -> list[list[str]]:
        return [[*PROGRAM, "worker", "--app", "benchmarks.postgres_peers.our_app:app", "--slots", "32"]]

    def close(self) -> None:
        super().close()
        self._app.close()
        for role in self._roles:
            role.send_signal(signal.SIGTERM)
        for role in self._roles:
            role.wait(timeout=30)
            assert role.stdout is not None
            role.stdout.close()
