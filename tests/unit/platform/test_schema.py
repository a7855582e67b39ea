"""What the runtime tells of the database of a data folder, without changing it."""

import sqlite3

import pytest

from observatory.core.errors import DataFolderUnusable, DataTooNew
from observatory.runtime.keeping import schema_of
from observatory.runtime.ports.sqlite import open_file


@pytest.fixture
def database(tmp_path):
    file, _ = open_file(tmp_path / "observatory.db")
    file.abandon()
    return tmp_path / "observatory.db"


def execute(database, sql):
    connection = sqlite3.connect(database)
    connection.execute(sql)
    connection.close()


def test_without_a_database_there_is_no_schema(tmp_path):
    assert schema_of(tmp_path / "missing") is None
    (tmp_path / "observatory.db").touch()
    assert schema_of(tmp_path) is None


def test_the_schema_is_the_newest_and_no_byte_changes(database):
    before = {path.name: path.read_bytes() for path in database.parent.iterdir()}

    found, known = schema_of(database.parent)

    assert found == known > 0
    assert {path.name: path.read_bytes() for path in database.parent.iterdir()} == before


def test_data_of_a_later_release_is_refused(database):
    execute(database, "PRAGMA user_version = 900")

    with pytest.raises(DataTooNew):
        schema_of(database.parent)


def test_another_programs_file_and_a_damaged_one_are_refused(tmp_path):
    execute(tmp_path / "observatory.db", "CREATE TABLE theirs (a)")
    with pytest.raises(DataFolderUnusable):
        schema_of(tmp_path)

    (tmp_path / "observatory.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(DataFolderUnusable):
        schema_of(tmp_path)
