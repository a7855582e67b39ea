"""What holds for every suite."""

import os
import sys
from collections.abc import Generator

import pytest

from tests.servers import pgbouncer
from tests.servers.pgbouncer import PrivatePgBouncer
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
    _need(missing())
    with PrivatePostgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_pooler(postgres_server: PrivatePostgres) -> Generator[PrivatePgBouncer]:
    """One before `postgres_server` for all tests of this process, which never kill it. As there without the package."""
    _need(pgbouncer.missing())
    with PrivatePgBouncer(postgres_server) as pooler:
        yield pooler


def _need(how_to_get_it: str | None) -> None:
    if how_to_get_it is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(how_to_get_it)
