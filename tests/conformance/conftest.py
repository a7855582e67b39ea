"""One fixture per port, over all its drivers, each on a fresh folder."""

import pytest

from tests.conformance import drivers
from tests.conformance.checkers import check_store

ELSEWHERE_TOO = (
    *("test_job_store", "test_outbox", "test_queues", "test_schedules", "test_pruning", "test_view_store"),
)
"""Most of what writes. That every statement means the same there `tests/migration` asks the server."""
OF_FAULTS = ("error_of_the_vendor", "happens_as_a_whole_or_not_at_all", "lost_on_the_way_back")


def pytest_collection_modifyitems(items):
    """Over `drivers.ELSEWHERE` only what could fail there for another reason than elsewhere."""
    items[:] = [item for item in items if "postgres-elsewhere" not in item.name or _is_of_interest(item)]


def _is_of_interest(item):
    return item.module.__name__.rpartition(".")[2] in ELSEWHERE_TOO and not any(of in item.name for of in OF_FAULTS)


class Opened:
    """What a test opened: the newest after restarts, so that the fixture checks and ends that one."""

    def __init__(self, opened):
        self._now = opened

    def restart(self):
        """End as by a kill -9, and open the same data again."""
        self._now = self._now.restarted()

    def __getattr__(self, name):
        return getattr(self._now, name)


def driver_of(request, tmp_path):
    """The driver that the test runs over, with the server that it needs. Its database goes with the test."""
    if hasattr(request.param, "server"):
        request.param.server = request.getfixturevalue("postgres_server")
        if request.param.is_elsewhere:
            request.param.pooler = request.getfixturevalue("postgres_pooler")
        request.addfinalizer(lambda: request.param.drop(tmp_path))
    return request.param


@pytest.fixture(params=drivers.JOB_STORES, ids=lambda driver: f"job_store:{driver.name}")
async def truth(request, tmp_path):
    opened = Opened(driver_of(request, tmp_path).open_truth(tmp_path))
    yield opened
    opened.faults.heal()
    try:
        await check_store(opened.queries, opened.log, opened.pruning)
    finally:
        opened.end()


@pytest.fixture(params=drivers.EVENT_LOGS, ids=lambda driver: f"event_log:{driver.name}")
async def history(request, tmp_path):
    opened = Opened(driver_of(request, tmp_path).open_log(tmp_path))
    yield opened
    opened.end()


@pytest.fixture(params=drivers.VIEW_STORES, ids=lambda driver: f"view_store:{driver.name}")
async def stored(request, tmp_path):
    opened = Opened(driver_of(request, tmp_path).open_views(tmp_path))
    yield opened
    opened.end()


@pytest.fixture(params=drivers.EVENT_BUSES, ids=lambda driver: f"event_bus:{driver.name}")
async def movement(request, tmp_path):
    opened = driver_of(request, tmp_path).open_bus(tmp_path)
    yield opened
    opened.end()
