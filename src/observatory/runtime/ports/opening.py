"""Which engine holds the data of these settings, loaded only when it is asked for."""

import contextlib
from collections.abc import Generator

from observatory.audit.auditor import Say
from observatory.audit.report import AuditReport
from observatory.core.errors import CannotStart
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.ports import Ports
from observatory.runtime.schema import Migrated, Schema
from observatory.runtime.settings import Settings
from observatory.runtime.sources import Sources


def open_shared(settings: Settings, sources: Sources, *, role: str) -> Ports:
    """
    The ports over the database that *settings* name and that processes share. In a running event loop.

    Connects to nothing yet.

    Args:
        role: Under which its connections are listed by the server.

    Raises:
        CannotStart: Its driver or its library is not there.
    """
    with _needing_library():
        from observatory.runtime.ports.postgres import open_postgres
    return open_postgres(settings, sources, role=role)


async def audit_shared(settings: Settings, *, say: Say | None = None) -> AuditReport:
    """
    Audit the database that *settings* name and that processes share, as of one instant. Only reads.

    Raises:
        CannotStart: Its library is not there, or the schema is not one of this release.
        Unavailable: The database did not answer.
    """
    with _needing_library():
        from observatory.runtime.ports.postgres import audit_database
    return await audit_database(settings, say=say)


async def schema_of(settings: Settings) -> Schema | None:
    """
    The schema of the data that *settings* name; None when there is no data yet. Only reads.

    Raises:
        Unavailable: The database did not answer.
        CannotStart: A later release wrote it, it is another program's, or it is damaged.
    """
    if settings.postgres_url is None:
        from observatory.runtime.keeping import schema_of as numbers_of

        numbers = numbers_of(settings.data_dir)
        place = str(DataFolder(settings.data_dir).database)
        return numbers and Schema(place=place, number=numbers[0], newest=numbers[1])
    with _needing_library():
        from observatory.runtime.ports.postgres import schema_of_database
    return await schema_of_database(settings)


async def migrate(settings: Settings) -> Migrated:
    """
    Bring the data that *settings* name to the schema of this release.

    Of several processes that call it one does it, and the others wait. A kill leaves every migration whole.

    Raises:
        Unavailable: The database did not answer.
        CannotStart: As `schema_of`, or another process owns the data folder.
    """
    if settings.postgres_url is None:
        from observatory.runtime.keeping import migrate_folder

        return migrate_folder(settings.data_dir)
    with _needing_library():
        from observatory.runtime.ports.postgres import migrate_database
    return await migrate_database(settings)


@contextlib.contextmanager
def _needing_library() -> Generator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise CannotStart(
            "PostgreSQL needs the package asyncpg", "install it:  pip install 'task-observatory[postgres]'"
        ) from None
