"""`examples/checksums` through a gateway, again and again, each time compared with `sha256sum` of coreutils."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

from examples.checksums.files import regular_files
from tests.chaos_postgres.application import CHECKSUM
from tests.chaos_postgres.system import System
from tests.e2e.process import ROOT

SILENCE_S_MAX = 300.0
"""A role that was killed again and again is begun again after up to half a minute."""


def halves_of(tree: str, count: int, folder: Path) -> list[Path]:
    """Two folders below *folder* with copies of *count* files of *tree*, or all, spread over it, under their names."""
    names = regular_files(tree)
    chosen = names[:: max(1, len(names) // count)][:count]
    halves = [folder / "first", folder / "second"]
    for number, name in enumerate(chosen):
        copy = halves[number % 2] / Path(name).relative_to(tree)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(name, copy)
    return halves


def sha256sum(folder: Path) -> bytes:
    """What coreutils says of every file below *folder*, in the order of the example."""
    return subprocess.run(["sha256sum", "--", *regular_files(str(folder))], capture_output=True, check=True).stdout


class Sums(threading.Thread):
    """
    Runs the example over *folder*, each time under a new name, until told to stop; at least once.

    Args:
        gateway: Where it submits.
        out: A folder for what it writes.
    """

    def __init__(self, name: str, system: System, gateway: str, folder: Path, out: Path) -> None:
        super().__init__(daemon=True)
        self.prefix, self.system, self.gateway, self.folder, self.out = name, system, gateway, folder, out
        self.expected = sha256sum(folder)
        self.stopped = threading.Event()
        self.runs = 0
        self.wrong: list[str] = []

    @property
    def files(self) -> int:
        """Of one run."""
        return len(self.expected.splitlines())

    @property
    def lines(self) -> int:
        """That were compared and equal, if nothing is wrong."""
        return self.files * self.runs

    def run(self) -> None:
        while not self.runs or not self.stopped.is_set():
            name = f"{self.prefix}-{self.runs}"
            done = self._run(name)
            self.runs += 1
            written = self.out / name
            if done.returncode:
                self.wrong.append(f"run {name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
            elif written.read_bytes() != self.expected:
                self.wrong.append(f"run {name} differs from sha256sum: see {written}")

    def _run(self, name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "examples.checksums", str(self.folder), "--out", str(self.out / name)]
        command += ["--run", name, "--type", CHECKSUM, "--give-up-after", str(SILENCE_S_MAX)]
        command += ["--gateway", self.gateway, "--read-model", self.system.urls["read model"]]
        return subprocess.run(command, cwd=ROOT, env=self.system.environ, capture_output=True, text=True, check=False)
