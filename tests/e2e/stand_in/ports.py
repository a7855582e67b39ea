"""
In the place of the drivers of PostgreSQL: one SQLite file that all roles of a test open.

What is tested with it is the processes around the ports. The file is named by the path of the URL; while a file
`NAME.away` lies beside it, nothing answers, and `NAME.old` makes its schema one that must be migrated first.
"""

import dataclasses
from pathlib import Path
from urllib.parse import urlsplit

from observatory.core.errors import StoreUnavailable
from observatory.engine.migrations import load_migrations
from observatory.runtime.ports import Ports
from observatory.runtime.ports.sqlite import DRIVERS, open_file, sqlite_ports
from observatory.runtime.schema import Migrated, Schema
from observatory.runtime.settings import Settings
from observatory.runtime.sources import Sources


def open_postgres(settings: Settings, sources: Sources) -> Ports:
    path = _path(settings)
    ports = sqlite_ports(open_file(path)[0], sources)

    async def check() -> None:
        _answer(path)
        await ports.check()

    return dataclasses.replace(ports, source="postgres", check=check)


async def schema_of_database(settings: Settings) -> Schema:
    path = _path(settings)
    _answer(path)
    newest = len(load_migrations(DRIVERS.migrations))
    is_old = path.with_suffix(".old").exists()
    return Schema(place="the stand-in", number=newest - 1 if is_old else newest, newest=newest)


async def migrate_database(settings: Settings) -> Migrated:
    path = _path(settings)
    _answer(path)
    open_file(path)[0].abandon()
    old = path.with_suffix(".old")
    if not old.exists():
        return Migrated(applied=())
    old.unlink()
    return Migrated(applied=("007 cheap_inserts",))


def _path(settings: Settings) -> Path:
    assert settings.postgres_url is not None
    return Path(urlsplit(settings.postgres_url).path)


def _answer(path: Path) -> None:
    if path.with_suffix(".away").exists():
        raise StoreUnavailable("the stand-in is away")
