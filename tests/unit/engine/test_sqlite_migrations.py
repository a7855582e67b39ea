"""Does a file of any age come to the newest schema, or stay as it is?"""

import sqlite3

import pytest

from observatory.core.errors import DataFolderUnusable, DataTooNew
from observatory.engine.migrations import Migration, load_migrations
from observatory.engine.sqlite_file import connect
from observatory.engine.sqlite_migrations import migrate, refuse_unusable, schema_version
from observatory.runtime.ports.sqlite import open_file

FIRST = Migration(
    1,
    "begin",
    "CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL) STRICT;\n"
    "CREATE TABLE jobs (id TEXT PRIMARY KEY) STRICT;",
)
SECOND = Migration(2, "color", "ALTER TABLE jobs ADD COLUMN color TEXT; -- a comment; at the end")
THIRD = Migration(
    3, "paint", "UPDATE jobs SET color = 'red' WHERE color IS NULL;\nCREATE INDEX by_color ON jobs (color);"
)
ALL = [FIRST, SECOND, THIRD]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "observatory.db"


@pytest.fixture
def connection(path):
    connection = connect(path)
    yield connection
    connection.close()


def schema_of(connection):
    return sorted(connection.execute("SELECT name, sql FROM sqlite_master").fetchall())


def columns(connection):
    return [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]


def test_a_fresh_file_gets_everything_and_no_copy(connection, path):
    assert migrate(connection, ALL, path=path) is None

    assert schema_version(connection) == 3
    assert columns(connection) == ["id", "color"]
    recorded = connection.execute("SELECT number, name, digest FROM migrations ORDER BY number").fetchall()
    assert recorded == [(one.number, one.name, one.digest) for one in ALL]
    assert not list(path.parent.glob("*.before-*"))


def test_an_older_file_is_migrated_with_its_data_after_a_copy_was_made(connection, path):
    migrate(connection, [FIRST], path=path)
    connection.execute("INSERT INTO jobs VALUES ('a')")

    copy = migrate(connection, ALL, path=path)

    assert connection.execute("SELECT * FROM jobs").fetchall() == [("a", "red")]
    assert copy == path.with_name("observatory.db.before-002")
    old = sqlite3.connect(copy)
    assert (schema_version(old), old.execute("SELECT * FROM jobs").fetchall()) == (1, [("a",)])
    old.close()


def test_an_up_to_date_file_is_left_alone(connection, path):
    migrate(connection, ALL, path=path)
    before = connection.total_changes

    assert migrate(connection, ALL, path=path) is None
    assert connection.total_changes == before


def test_step_by_step_and_at_once_give_the_same_schema(path, tmp_path):
    at_once, in_steps = connect(path), connect(tmp_path / "steps.db")
    migrate(at_once, ALL, path=path)
    for count in (1, 2, 3):
        migrate(in_steps, ALL[:count], path=tmp_path / "steps.db")

    assert schema_of(at_once) == schema_of(in_steps)
    at_once.close()
    in_steps.close()


def test_a_newer_file_is_refused_and_not_touched(connection, path):
    migrate(connection, ALL, path=path)
    connection.close()
    before = path.read_bytes()
    again = connect(path)

    with pytest.raises(DataTooNew, match=r"schema 3; this release knows up to 2") as refused:
        migrate(again, ALL[:2], path=path)
    again.close()
    with pytest.raises(DataTooNew):
        refuse_unusable(path, ALL[:2])

    assert refused.value.remedy
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.before-*"))


@pytest.mark.parametrize("make", ["missing", "empty", "older", "same"])
def test_any_other_file_passes_the_look_from_outside(connection, path, tmp_path, make):
    other = tmp_path / "other.db"
    if make == "empty":
        other.touch()
    elif make in ("older", "same"):
        filled = connect(other)
        migrate(filled, ALL[: 1 if make == "older" else 3], path=other)
        filled.close()

    refuse_unusable(other, ALL)

    assert other.exists() == (make != "missing")


def test_a_changed_migration_is_refused_before_anything_else_is_done(connection, path):
    migrate(connection, [FIRST], path=path)
    changed = Migration(1, "begin", FIRST.sql + "\n-- edited later")

    with pytest.raises(DataFolderUnusable, match="migration 001"):
        migrate(connection, [changed, SECOND], path=path)

    assert schema_version(connection) == 1
    assert columns(connection) == ["id"]


def test_a_version_without_its_record_is_refused(connection, path):
    migrate(connection, ALL, path=path)
    connection.execute("DELETE FROM migrations WHERE number = 2")

    with pytest.raises(DataFolderUnusable, match="migration 002"):
        migrate(connection, ALL, path=path)


THEIRS = {
    "tables and no version": "CREATE TABLE theirs (n INTEGER);",
    "tables and a version": "CREATE TABLE theirs (n INTEGER); PRAGMA user_version = 1;",
    "a version that we do not have yet": "CREATE TABLE theirs (n INTEGER); PRAGMA user_version = 77;",
    "a version and no table": "PRAGMA user_version = 2;",
    "a table of migrations, not like ours": "CREATE TABLE migrations (id INTEGER, batch INTEGER);",
    "such a table and a version": "CREATE TABLE migrations (id INTEGER, batch INTEGER); PRAGMA user_version = 1;",
    "only a view": "CREATE VIEW theirs AS SELECT 1;",
}


@pytest.mark.parametrize("sql", THEIRS.values(), ids=THEIRS)
def test_another_programs_database_is_refused_and_stays_as_it_is(tmp_path, sql):
    path = tmp_path / "observatory.db"
    theirs = sqlite3.connect(path)
    theirs.executescript(sql)
    before = path.read_bytes()

    with pytest.raises(DataFolderUnusable, match="another program's database") as refused:
        refuse_unusable(path, ALL)
    with pytest.raises(DataFolderUnusable, match="another program's database"):
        migrate(theirs, ALL, path=path)
    theirs.close()

    assert refused.value.remedy
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["observatory.db"]


def test_the_system_does_not_take_over_another_programs_database(tmp_path):
    path = tmp_path / "observatory.db"
    theirs = sqlite3.connect(path)
    theirs.execute("CREATE TABLE theirs (n INTEGER)")
    theirs.close()
    before = path.read_bytes()

    with pytest.raises(DataFolderUnusable):
        open_file(path)

    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["observatory.db"]


class Killed(Exception):
    """Stands for a kill -9: nothing of the program runs after it."""


class DiesAtScript:
    """A connection whose process is killed while it runs the n-th script, before its COMMIT."""

    def __init__(self, connection, number):
        self.connection = connection
        self.left = number

    def executescript(self, script):
        self.left -= 1
        if self.left == 0:
            self.connection.executescript(script.removesuffix("COMMIT;"))
            assert self.connection.in_transaction
            raise Killed
        self.connection.executescript(script)

    def __getattr__(self, name):
        return getattr(self.connection, name)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_after_a_kill_inside_a_migration_it_goes_on_from_the_one_before(path, number):
    dying = DiesAtScript(connect(path), number)
    with pytest.raises(Killed):
        migrate(dying, ALL, path=path)
    dying.connection.close()

    connection = connect(path)
    assert schema_version(connection) == number - 1
    migrate(connection, ALL, path=path)

    assert schema_version(connection) == 3
    assert [row[0] for row in connection.execute("SELECT number FROM migrations ORDER BY number")] == [1, 2, 3]
    connection.close()


def test_a_kill_between_two_migrations_keeps_a_copy_of_what_was_there(path):
    begun = connect(path)
    migrate(begun, [FIRST], path=path)
    dying = DiesAtScript(begun, 2)
    with pytest.raises(Killed):
        migrate(dying, ALL, path=path)
    begun.close()

    connection = connect(path)
    copy = migrate(connection, ALL, path=path)
    connection.close()

    assert copy == path.with_name("observatory.db.before-003")
    for number in (2, 3):
        old = sqlite3.connect(path.with_name(f"observatory.db.before-{number:03}"))
        assert schema_version(old) == number - 1
        old.close()


def test_a_migration_that_fails_changes_nothing(connection, path):
    migrate(connection, [FIRST], path=path)
    wrong = Migration(2, "wrong", "CREATE TABLE half (n INTEGER);\nALTER TABLE nowhere ADD COLUMN x;")

    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [FIRST, wrong], path=path)

    assert schema_version(connection) == 1
    assert not connection.in_transaction
    assert "half" not in [name for name, _ in schema_of(connection)]


def write_files(folder, *names):
    for name in names:
        (folder / name).write_text("SELECT 1;", encoding="utf-8")


def test_migrations_are_read_in_order(tmp_path):
    write_files(tmp_path, "002_more.sql", "001_begin.sql", "notes.txt")

    assert [(one.number, one.name) for one in load_migrations(tmp_path)] == [(1, "begin"), (2, "more")]


@pytest.mark.parametrize(
    "names",
    [("001_a.sql", "003_c.sql"), ("002_b.sql",), ("001_a.sql", "001_b.sql"), ("1_a.sql",), ("001-a.sql",)],
    ids=str,
)
def test_wrong_numbers_and_names_are_programmers_errors(tmp_path, names):
    write_files(tmp_path, *names)

    with pytest.raises(AssertionError):
        load_migrations(tmp_path)
