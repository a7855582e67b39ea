"""The counters made anew from the history, in a folder that nobody owns; and a look at whether they would differ."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from observatory.core import limits
from observatory.core.errors import CannotStart, DataFolderUnusable
from observatory.core.folds import STATS_VIEW, StatsView, canonical, fold_stats
from observatory.core.job import JsonObject
from observatory.core.sources import Ids
from observatory.engine.sqlite_file import SqliteFile
from observatory.job_store.pruning import Pruning
from observatory.runtime.auditing import Drivers, read_folder
from observatory.runtime.data_folder import DataFolder, answering
from observatory.view_store.projection import Projection

Say = Callable[[int, int], None]
"""Told (done, total) after every page."""


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The counters after they were made anew."""

    view: str
    position: int
    digest: str


class Compared(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The saved counters beside those that the history gives at the same position."""

    view: str
    position: int
    digest: str
    """Of the saved ones; empty when they cannot be read, or none are saved."""
    rebuilt_digest: str

    @property
    def is_equal(self) -> bool:
        return self.digest == self.rebuilt_digest


def digest_of(view: StatsView) -> str:
    """Equal for equal counters: SHA-256 of their canonical form."""
    return hashlib.sha256(canonical(view)).hexdigest()


def digest_of_stats(stats: JsonObject) -> str:
    """As `digest_of`, of the counters in an answer of `/stats`."""
    return digest_of(msgspec.convert(stats, StatsView))


def rebuild_folder(
    path: Path, *, drivers: Drivers, open_file: Callable[[Path], tuple[SqliteFile, Path | None]], ids: Ids, say: Say
) -> Rebuilt:
    """
    Drop the counters of the data folder at *path* and make them anew.

    Killed in between, the next start goes on. Not to be called in a running event loop.

    Raises:
        DataFolderInUse: A process owns it; ask that one.
        DataFolderUnusable, DataTooNew: It cannot be opened.
    """
    folder = DataFolder(path)
    if not folder.database.is_file():
        raise DataFolderUnusable(f"{folder.database} does not exist", "name the data folder with ODD_DATA_DIR")
    folder.open()
    try:
        file, _ = open_file(folder.database)
        return asyncio.run(_rebuild(file, drivers, ids, folder, say))
    finally:
        folder.close()


async def _rebuild(file: SqliteFile, drivers: Drivers, ids: Ids, folder: DataFolder, say: Say) -> Rebuilt:
    views, log, pruning = drivers.views(file), drivers.log(file), drivers.pruning(file)
    try:
        with answering(folder.database):
            await views.drop(STATS_VIEW)
            projection = Projection(
                STATS_VIEW, StatsView, fold_stats, store=views, ids=ids, begin=lambda: _begin(pruning)
            )
            await projection.load()
            head = await log.head()
            while events := await log.after(projection.checkpoint, count_max=limits.READ_EVENTS_MAX):
                await projection.apply(events, after=projection.checkpoint)
                say(projection.checkpoint, head)
            return Rebuilt(view=STATS_VIEW, position=projection.checkpoint, digest=digest_of(projection.view))
    finally:
        await file.close()


async def _begin(pruning: Pruning) -> StatsView:
    return (await pruning.rollup(STATS_VIEW)).stats


def compare_folder(path: Path, *, drivers: Drivers, say: Say) -> Compared:
    """
    Fold the history of the data folder at *path* up to where its counters stand, and compare. Changes nothing.

    Also beside a running owner. Not to be called in a running event loop.

    Raises:
        DataFolderUnusable, DataTooNew: It cannot be read.
        CannotStart: Nothing was counted yet.
    """

    def compare(file: SqliteFile) -> Compared:
        return asyncio.run(_compare(file, drivers, say))

    return read_folder(path, compare, migrations=drivers.migrations)


async def _compare(file: SqliteFile, drivers: Drivers, say: Say) -> Compared:
    stored = await drivers.views(file).load(STATS_VIEW)
    if stored is None:
        raise CannotStart(
            "no counters are saved, so there is nothing to compare",
            "let a rebuild that runs end, or make them:  odd-dashboard rebuild",
        )
    view, log, position = await _begin(drivers.pruning(file)), drivers.log(file), 0
    while position < stored.checkpoint:
        events = await log.after(position, count_max=limits.READ_EVENTS_MAX)
        if not events:
            break
        for event in events:
            position = event.position or stored.checkpoint
            if position <= stored.checkpoint:
                view = fold_stats(view, event)
        say(min(position, stored.checkpoint), stored.checkpoint)
    try:
        saved = digest_of(msgspec.json.decode(stored.document, type=StatsView))
    except (msgspec.MsgspecError, ValueError):
        saved = ""
    return Compared(view=STATS_VIEW, position=stored.checkpoint, digest=saved, rebuilt_digest=digest_of(view))
