import os
from collections.abc import Callable, Generator
from typing import NamedTuple

import pytest

from observatory.cli.app import main
from observatory.core import limits
from tests.e2e.process import Up


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Generator[Up]:
    """One running observatory for all tests of the commands; none of them may count its jobs."""
    up = Up(tmp_path_factory.mktemp("cli") / "data").until_ready()
    # More than a page from the start, so that no test passes only while few others ran before it.
    up.post("/jobs/batch", [{"type": "echo", "payload": {}}] * (limits.PAGE_ITEMS_DEFAULT + 1)).raise_for_status()
    yield up
    up.kill()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process, in which no setting is set."""
    for name in [name for name in os.environ if name.startswith("ODD_") or name.endswith("_COLOR")]:
        monkeypatch.delenv(name)

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        code = main(arguments)
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def command(here: Command, system: Up, monkeypatch: pytest.MonkeyPatch) -> Command:
    """As `here`, beside the running observatory."""
    monkeypatch.setenv("ODD_DATA_DIR", str(system.data_dir))
    return here
