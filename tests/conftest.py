"""What holds for every suite."""

import sys


def pytest_sessionfinish() -> None:
    """No process outlives the tests, whichever of them failed."""
    process = sys.modules.get("tests.e2e.process")
    if process is not None:
        process.end_all()
