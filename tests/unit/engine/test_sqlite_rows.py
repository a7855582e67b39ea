"""Do many rows in one statement do what one by one would?"""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from observatory.engine.sqlite_rows import ROWS_AT_ONCE, insert_rows, update_rows

COUNTS = sorted({0, 1, *(size + more for size in ROWS_AT_ONCE for more in (-1, 0, 1) if size > 1), 1_000})


@pytest.mark.parametrize("count", COUNTS)
def test_every_row_is_written_once_and_in_order(count):
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (number INTEGER PRIMARY KEY AUTOINCREMENT, value INTEGER)")

        last = insert_rows(connection, "t", ["value"], [(n * 3,) for n in range(count)])

        rows = connection.execute("SELECT number, value FROM t ORDER BY number").fetchall()
    assert last == count
    assert rows == [(n + 1, n * 3) for n in range(count)]


@pytest.mark.parametrize("given", [(), (0,), (299,), (0, 150, 299), range(300)])
def test_a_value_that_few_rows_have_is_written_for_these_and_no_other(given):
    rows = [(n, "x" if n in given else None, n * 3) for n in range(300)]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (number INTEGER, few TEXT, many INTEGER, never TEXT)")

        insert_rows(connection, "t", ["number", "few", "many"], rows)

        assert connection.execute("SELECT number, few, many FROM t ORDER BY number").fetchall() == rows


def test_an_update_counts_the_rows_that_were_as_expected():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, version INTEGER, value TEXT)")
        insert_rows(connection, "t", ["id", "version", "value"], [(n, 1, "old") for n in range(300)])
        sql = (
            "UPDATE t SET value = c.value FROM (WITH g (id, version, value) AS (VALUES {rows}) SELECT * FROM g) AS c "
            "WHERE t.id = c.id AND t.version = c.version"
        )

        changed = update_rows(connection, sql, [(n, 1 if n % 3 else 2, "new") for n in range(300)])

        new = {row[0] for row in connection.execute("SELECT id FROM t WHERE value = 'new'")}
    assert changed == 200
    assert new == {n for n in range(300) if n % 3}


def test_a_row_that_is_refused_fails_its_statement():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")

        with pytest.raises(sqlite3.IntegrityError):
            insert_rows(connection, "t", ["id"], [(1,), (2,), (1,)])


@pytest.mark.skipif(
    not Path("/proc/self").exists() or os.geteuid() != 0,
    reason="only root may write to /proc by its permissions, where no file can be made",
)
def test_many_rows_need_no_temporary_folder(tmp_path):
    script = """
import sys
from pathlib import Path
from observatory.engine.sqlite_file import connect
from observatory.engine.sqlite_rows import insert_rows

connection = connect(Path(sys.argv[1]))
connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, key TEXT UNIQUE, body TEXT)")
rows = [(n * 7919 % 10007, f"{n * 7907 % 10007:05d}", "x" * 500) for n in range(8000)]
for first in range(0, 8000, 2000):
    connection.execute("BEGIN")
    insert_rows(connection, "t", ["id", "key", "body"], rows[first : first + 2000])
    connection.execute("COMMIT")
"""
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.db")],
        env=os.environ | {"TMPDIR": "/proc", "SQLITE_TMPDIR": "/proc"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
