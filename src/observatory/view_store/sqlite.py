"""The SQLite driver of the views: one row per view."""

from sqlite3 import Connection

from observatory.core.errors import CheckpointMoved, ViewsUnavailable
from observatory.engine.sqlite_file import SqliteFile, translated
from observatory.view_store.port import StoredView


class SqliteViewStore:
    """Implements `ViewStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def load(self, name: str) -> StoredView | None:
        sql = "SELECT document, checkpoint, generation FROM views WHERE name = ?"
        with translated(ViewsUnavailable):
            row = await self._file.read(lambda connection: connection.execute(sql, (name,)).fetchone())
        return None if row is None else StoredView(row[0].encode(), row[1], row[2])

    async def save(self, name: str, view: StoredView, *, expected_checkpoint: int) -> None:
        def unit(connection: Connection) -> None:
            row = connection.execute("SELECT checkpoint, generation FROM views WHERE name = ?", (name,)).fetchone()
            if expected_checkpoint == 0:
                is_as_expected = row is None or row[0] == 0
            else:
                is_as_expected = row == (expected_checkpoint, view.generation)
            if not is_as_expected:
                raise CheckpointMoved(f"view {name} stands at {row}, not at {expected_checkpoint}")
            connection.execute(
                "INSERT INTO views (name, generation, checkpoint, document) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, "
                "checkpoint = excluded.checkpoint, document = excluded.document",
                (name, view.generation, view.checkpoint, view.document.decode()),
            )

        with translated(ViewsUnavailable):
            await self._file.write(unit)

    async def drop(self, name: str) -> None:
        def unit(connection: Connection) -> None:
            connection.execute("DELETE FROM views WHERE name = ?", (name,))

        with translated(ViewsUnavailable):
            await self._file.write(unit)
