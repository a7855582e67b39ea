"""The ports over PostgreSQL: one bounded pool for all of them. Any number of processes share one database."""

from observatory.core.errors import CannotStart
from observatory.runtime.ports import Ports
from observatory.runtime.settings import Settings
from observatory.runtime.sources import Sources


def open_postgres(settings: Settings, sources: Sources) -> Ports:
    """
    The ports over the database that *settings* name, for one process, in its running event loop.

    Connects to nothing yet: a process starts while its database is away, and its ports work when it comes.

    Raises:
        CannotStart: The driver is not there.
    """
    raise _no_driver()


def _no_driver() -> CannotStart:
    return CannotStart(
        "this release has no driver for PostgreSQL yet", "unset POSTGRES_URL: the embedded data needs no engine"
    )
