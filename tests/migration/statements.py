"""
The statements of this release, for those that come after it: `python -m tests.migration.statements` writes them.

They are collected while the conformance suites run over PostgreSQL, where each is sent at least once, and are kept in
`statements/NNN.sql`, one in each line, under the number of the schema that they were made for. Lines are only added, so
that the file has the statements of all releases of that schema; where none was released yet, delete it first.
"""

import re
import sys
from pathlib import Path

import pytest

from observatory.engine.named_queries import load_queries
from tests.migration.next_schema import CURRENT

FOLDER = Path(__file__).with_name("statements")
SOURCE = Path(__file__).parents[2] / "src" / "observatory"
METHODS = ("fetch", "fetchrow", "fetchval", "execute")
OF_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK", "SET LOCAL")
NOT_SENT_THERE = {"incomplete", "is_new"}
"""Named queries that only damaged data ask for; their own tests run them."""


def on_record() -> dict[int, list[str]]:
    """The statements by the number of their schema."""
    return {int(path.stem): path.read_text(encoding="utf-8").splitlines() for path in sorted(FOLDER.glob("*.sql"))}


def named() -> dict[str, str]:
    """Every named query of the PostgreSQL drivers, as `file:name`; with `{…}` where the driver puts in columns."""
    files = [*SOURCE.rglob("postgres/*.sql"), *SOURCE.rglob("postgres.sql")]
    files = [path for path in files if "migrations" not in path.parts]
    return {f"{path.stem}:{name}": text for path in files for name, text in load_queries(path).items()}


def is_among(query: str, statements: list[str]) -> bool:
    """Whether *query* was sent, with something put in for each `{…}`."""
    pattern = re.compile(".+".join(re.escape(part) for part in re.split(r"\{\w+\}", in_one_line(query))))
    return any(pattern.search(statement) for statement in statements)


def in_one_line(statement: str) -> str:
    """No string in our statements has two spaces in a row, and none has a comment."""
    return re.sub(r"\s+", " ", re.sub(r"--.*", "", statement)).strip()


def collect() -> set[str]:
    """Run the conformance suites over PostgreSQL, and give what they sent."""
    from tests.conformance.postgres import BreakableConnection

    sent: set[str] = set()

    def recording(send):
        async def record_and_send(self, statement, *given, **options):
            sent.update(map(in_one_line, statement.split("; ")))  # a transaction may begin with some statements at once
            return await send(self, statement, *given, **options)

        return record_and_send

    for method in METHODS:
        setattr(BreakableConnection, method, recording(getattr(BreakableConnection, method)))
    code = pytest.main(["-q", "tests/conformance", "-k", "postgres and not elsewhere"])
    assert code == 0, "the suites have to be green first"
    return {statement for statement in sent if not statement.startswith(OF_TRANSACTIONS)}


if __name__ == "__main__":
    path = FOLDER / f"{len(CURRENT):03}.sql"
    FOLDER.mkdir(exist_ok=True)
    before = set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set[str]()
    path.write_text("\n".join(sorted(before | collect())) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path.name}: {len(path.read_text(encoding='utf-8').splitlines())} statements\n")
