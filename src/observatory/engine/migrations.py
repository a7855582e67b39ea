"""Numbered SQL files of a schema: forward only; the number of the newest that was applied is the schema's."""

import hashlib
import re
from pathlib import Path

import msgspec

_WORKS_WITH = re.compile(r"^-- works with: (?P<number>\d{3})$", re.MULTILINE)
_FILE = re.compile(r"^(?P<number>\d{3})_(?P<name>\w+)\.sql$")


class Migration(msgspec.Struct, frozen=True):
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def works_with(self) -> int:
        """
        The oldest schema whose releases go on working after this migration; its own number when none does.

        Stated in the file as `-- works with: NNN`, so that processes of two releases may run side by side.
        """
        match = _WORKS_WITH.search(self.sql)
        return int(match["number"]) if match else self.number


def load_migrations(folder: Path) -> list[Migration]:
    """The migrations of *folder*, in order; their numbers are 1..n without a gap."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.match(path.name)
        assert match, f"{path.name} is not named NNN_name.sql"
        found.append(Migration(int(match["number"]), match["name"], path.read_text(encoding="utf-8")))
    assert [migration.number for migration in found] == list(range(1, len(found) + 1)), "numbers have a gap"
    return found
