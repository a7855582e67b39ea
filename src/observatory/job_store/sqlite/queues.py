"""`Queues` over one `SqliteFile`."""

from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from observatory.core.errors import StoreUnavailable
from observatory.core.queue import QueueSetting, check_room
from observatory.core.sources import Clock
from observatory.engine.instants import from_us_or_none, to_us_or_none
from observatory.engine.named_queries import load_queries
from observatory.engine.sqlite_file import SqliteFile, translated

SQL = load_queries(Path(__file__).with_suffix(".sql"))


class SqliteQueues:
    """
    Implements `Queues`.

    Args:
        clock: The store's clock.
    """

    def __init__(self, file: SqliteFile, *, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    async def pause(self, queue: str, *, by: str, reason: str | None) -> QueueSetting:
        return await self._change(queue, lambda setting: setting.paused(self._clock.now(), by=by, reason=reason))

    async def resume(self, queue: str) -> QueueSetting:
        return await self._change(queue, QueueSetting.resumed)

    async def set_concurrency(self, queue: str, concurrency_max: int | None) -> QueueSetting:
        return await self._change(queue, lambda setting: setting.limited(concurrency_max))

    async def settings(self) -> list[QueueSetting]:
        with translated(StoreUnavailable):
            return await self._file.read(_settings)

    async def _change(self, queue: str, change: Callable[[QueueSetting], QueueSetting]) -> QueueSetting:
        def unit(connection: Connection) -> QueueSetting:
            row = connection.execute(SQL["queue_setting"], (queue,)).fetchone()
            setting = change(QueueSetting(queue=queue) if row is None else _setting_of_row(row))
            _save(connection, setting)
            return setting

        with translated(StoreUnavailable):
            return await self._file.write(unit)


def _settings(connection: Connection) -> list[QueueSetting]:
    return [_setting_of_row(row) for row in connection.execute(SQL["queue_settings"]).fetchall()]


def _save(connection: Connection, setting: QueueSetting) -> None:
    if setting.is_default:
        connection.execute(SQL["forget_queue"], (setting.queue,))
        return
    check_room(connection.execute(SQL["queues_set"], (setting.queue,)).fetchone()[0])
    values = (setting.queue, to_us_or_none(setting.paused_at), setting.paused_by, setting.pause_reason)
    connection.execute(SQL["save_queue"], (*values, setting.concurrency_max))


def _setting_of_row(row: tuple[Any, ...]) -> QueueSetting:
    queue, paused_at, paused_by, pause_reason, concurrency_max = row
    return QueueSetting(
        queue=queue,
        paused_at=from_us_or_none(paused_at),
        paused_by=paused_by,
        pause_reason=pause_reason,
        concurrency_max=concurrency_max,
    )
