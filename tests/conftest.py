"""What holds for every suite."""

import os
import sys
from collections.abc import Generator

import pytest

from tests.servers.postgres import PrivatePostgres, missing


def pytest_sessionfinish() -> None:
    """No process outlives the tests, whichever of them failed."""
    process = sys.modules.get("tests.e2e.process")
    if process is not None:
        process.end_all()


@pytest.fixture(scope="session")
def postgres_server() -> Generator[PrivatePostgres]:
    """
    One server for all tests of this process; a test makes its own database in it, and never stops, kills or pauses it.

    Without the package the test is skipped, but in CI it fails: there the package belongs to the set-up.
    """
    if (how_to_get_it := missing()) is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(how_to_get_it)
    with PrivatePostgres() as server:
        yield server
