"""Do many rows in one statement do what one by one would?"""

import sqlite3
from contextlib import closing

import pytest

from observatory.engine.sqlite_rows import ROWS_AT_ONCE, execute_rows

COUNTS = sorted({0, 1, *(size + more for size in ROWS_AT_ONCE for more in (-1, 0, 1) if size > 1), 1_000})


@pytest.mark.parametrize("count", COUNTS)
def test_every_row_is_written_once_and_in_order(count):
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (number INTEGER PRIMARY KEY AUTOINCREMENT, value INTEGER)")

        changed = execute_rows(connection, "INSERT INTO t (value) VALUES {rows}", [(n * 3,) for n in range(count)])

        rows = connection.execute("SELECT number, value FROM t ORDER BY number").fetchall()
    assert changed == count
    assert rows == [(n + 1, n * 3) for n in range(count)]


def test_an_update_counts_the_rows_that_were_as_expected():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, version INTEGER, value TEXT)")
        execute_rows(connection, "INSERT INTO t VALUES {rows}", [(n, 1, "old") for n in range(300)])
        sql = (
            "UPDATE t SET value = c.value FROM (WITH g (id, version, value) AS (VALUES {rows}) SELECT * FROM g) AS c "
            "WHERE t.id = c.id AND t.version = c.version"
        )

        changed = execute_rows(connection, sql, [(n, 1 if n % 3 else 2, "new") for n in range(300)])

        new = {row[0] for row in connection.execute("SELECT id FROM t WHERE value = 'new'")}
    assert changed == 200
    assert new == {n for n in range(300) if n % 3}


def test_a_row_that_is_refused_fails_its_statement():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")

        with pytest.raises(sqlite3.IntegrityError):
            execute_rows(connection, "INSERT INTO t VALUES {rows}", [(1,), (2,), (1,)])
