"""A data folder with a history of every kind, and copies of it to plant faults in."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from observatory.audit.report import AuditReport
from observatory.event_log.sqlite import SqliteEventLog
from observatory.job_store.sqlite import MIGRATIONS, SqliteJobQueries, SqlitePruning
from observatory.runtime.auditing import Drivers, audit_folder
from observatory.runtime.sources import SystemClock
from observatory.view_store.sqlite import SqliteViewStore
from tests.unit.audit.populated import Populated, populate

DRIVERS = Drivers(
    queries=SqliteJobQueries,
    log=SqliteEventLog,
    views=SqliteViewStore,
    pruning=lambda file: SqlitePruning(file, clock=SystemClock()),
    migrations=MIGRATIONS,
)

Plant = Callable[..., AuditReport]


@pytest.fixture(scope="session")
def populated(tmp_path_factory: pytest.TempPathFactory) -> Populated:
    return populate(tmp_path_factory.mktemp("populated"))


@pytest.fixture
def copy(populated: Populated, tmp_path: Path) -> Path:
    """A data folder of its own, closed and without an owner."""
    folder = tmp_path / "copy"
    shutil.copytree(populated.folder, folder)
    return folder


@pytest.fixture
def plant(copy: Path) -> Plant:
    """Changes the copy by SQL, then audits it."""

    def plant(*statements: tuple[str, tuple[object, ...]]) -> AuditReport:
        connection = sqlite3.connect(copy / "observatory.db")
        with connection:
            for sql, values in statements:
                assert connection.execute(sql, values).rowcount > 0, f"nothing was planted by {sql}"
        connection.close()
        return audit(copy)

    return plant


def audit(folder: Path) -> AuditReport:
    return audit_folder(folder, drivers=DRIVERS)


def found(report: AuditReport) -> set[tuple[str, str | None]]:
    return {(str(violation.code), violation.job_id) for violation in report.violations}
