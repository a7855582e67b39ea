"""`Queues` over one `PostgresDatabase`."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.core.queue import QueueSetting, check_room
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_database import Connection, PostgresDatabase, Row, translated

SQL = load_queries(Path(__file__).with_suffix(".sql"))

HOLD_SETTINGS = SQL["lock_shared"]
"""A claim holds what is set for all queues: a pause or limit that was answered holds for whatever is claimed after."""

_IMPATIENT = f"SET LOCAL lock_timeout = {limits.POSTGRES_SETTING_LOCK_S_MAX * 1000:.0f}"
"""All claims wait behind a change that waits for one: for long where a process was stopped in the middle of one."""


class PostgresQueues:
    """
    Implements `Queues`.

    Changes of settings happen one after the other, over all processes, so that each is made of the one before it. A
    change waits for the claims under way: what it answers holds for every claim that is committed after it.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def pause(self, queue: str, *, by: str, reason: str | None) -> QueueSetting:
        return await self._change(queue, lambda setting, at: setting.paused(at, by=by, reason=reason))

    async def resume(self, queue: str) -> QueueSetting:
        return await self._change(queue, lambda setting, _: setting.resumed())

    async def set_concurrency(self, queue: str, concurrency_max: int | None) -> QueueSetting:
        return await self._change(queue, lambda setting, _: setting.limited(concurrency_max))

    async def settings(self) -> list[QueueSetting]:
        with translated(StoreUnavailable):
            return await self._database.read(_read_settings)

    async def _change(self, queue: str, change: Callable[[QueueSetting, datetime], QueueSetting]) -> QueueSetting:
        async def unit(connection: Connection) -> QueueSetting:
            (row,) = await connection.fetch(SQL["queue_setting"], queue)
            before = QueueSetting(queue=queue) if row[1] is None else _setting_of_row(row[1:])
            setting = change(before, row[0])
            await _save(connection, setting)
            return setting

        with translated(StoreUnavailable):
            return await self._database.write(unit, after=[_IMPATIENT, SQL["lock"]])


async def _read_settings(connection: Connection) -> list[QueueSetting]:
    return [_setting_of_row(row) for row in await connection.fetch(SQL["queue_settings"])]


async def _save(connection: Connection, setting: QueueSetting) -> None:
    if setting.is_default:
        await connection.execute(SQL["forget_queue"], setting.queue)
        return
    check_room(await connection.fetchval(SQL["queues_set"], setting.queue))
    values = (setting.queue, setting.paused_at, setting.paused_by, setting.pause_reason, setting.concurrency_max)
    await connection.execute(SQL["save_queue"], *values)


def _setting_of_row(row: Row) -> QueueSetting:
    queue, paused_at, paused_by, pause_reason, concurrency_max = row
    return QueueSetting(
        queue=queue,
        paused_at=paused_at,
        paused_by=paused_by,
        pause_reason=pause_reason,
        concurrency_max=concurrency_max,
    )
