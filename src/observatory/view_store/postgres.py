"""The PostgreSQL driver of the views: one row per view."""

from functools import partial
from pathlib import Path
from typing import cast

from observatory.core.errors import CheckpointMoved, ViewsUnavailable
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_database import Connection, PostgresDatabase, Row, translated
from observatory.view_store.port import StoredView

SQL = load_queries(Path(__file__).with_suffix(".sql"))


class PostgresViewStore:
    """Implements `ViewStore`. Of two who save at once, the second waits for the first and then sees what it did."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def load(self, name: str) -> StoredView | None:
        with translated(ViewsUnavailable):
            row = await self._database.read(lambda connection: connection.fetchrow(SQL["load"], name))
        return None if row is None else StoredView(cast("str", row[0]).encode(), row[1], row[2])

    async def save(self, name: str, view: StoredView, *, expected_checkpoint: int) -> None:
        row = (name, view.generation, view.checkpoint, view.document.decode())
        with translated(ViewsUnavailable):
            if expected_checkpoint == 0:
                unit = partial(_saved, SQL["begin"], row)
            else:
                unit = partial(_saved, SQL["advance"], (*row, expected_checkpoint))
            is_saved = await self._database.write(unit)
        if not is_saved:
            raise CheckpointMoved(f"view {name} stands elsewhere than at {expected_checkpoint}")

    async def drop(self, name: str) -> None:
        with translated(ViewsUnavailable):
            await self._database.write(lambda connection: connection.execute(SQL["drop"], name))


async def _saved(statement: str, values: Row, connection: Connection) -> bool:
    return await connection.fetchrow(statement, *values) is not None
