"""The product's logs are of no use in thousands of runs that fail on purpose."""

import contextlib
import logging
from collections.abc import Generator

import structlog


@contextlib.contextmanager
def no_logs() -> Generator[None]:
    """Log nothing below CRITICAL inside the context."""
    before = structlog.get_config()
    be_quiet()
    try:
        yield
    finally:
        structlog.configure(**before)


def be_quiet() -> None:
    """Log nothing below CRITICAL from now on, for a process of its own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
