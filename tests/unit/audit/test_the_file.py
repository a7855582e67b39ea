"""The file beneath rows and events: its schema, its pages, and what is said when it cannot be read at all."""

import sqlite3
from pathlib import Path

import pytest

from observatory.core.errors import DataFolderUnusable
from observatory.core.limits import DAMAGE_LINES_MAX
from tests.unit.audit.conftest import audit, found

PAGE = 4096


def change(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "observatory.db", isolation_level=None)
    for sql in statements:
        connection.execute(sql)
    connection.close()


def damage_first_page_of(folder: Path, name: str) -> None:
    """Overwrite the first page of the table or index *name*."""
    connection = sqlite3.connect(folder / "observatory.db")
    root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
    connection.close()
    with (folder / "observatory.db").open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(b"\x5a" * PAGE)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP INDEX jobs_ready", "the index jobs_ready is missing"),
        ("DROP INDEX jobs_by_key", "the index jobs_by_key is missing"),
        ("DROP TABLE types", "the table types is missing"),
        ("CREATE INDEX mine ON jobs (queue)", "the index mine is not one of ours"),
        ("CREATE TABLE mine (x)", "the table mine is not one of ours"),
        (
            "CREATE TRIGGER mine AFTER UPDATE ON jobs BEGIN DELETE FROM events WHERE job_id = old.id; END",
            "the trigger mine is not one of ours",
        ),
        ("ALTER TABLE jobs ADD COLUMN mine TEXT", "the table jobs is not as the migrations make it"),
    ],
)
def test_a_schema_changed_by_hand(copy: Path, sql: str, said: str) -> None:
    change(copy, sql)

    report = audit(copy)

    assert found(report) == {("schema_differs", None)}
    [violation] = report.violations
    assert violation.detail == f"{copy / 'observatory.db'}: {said}"


def test_a_constraint_taken_away_by_hand(copy: Path) -> None:
    change(
        copy,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql, 'CHECK (sequence >= 1)', '') WHERE name = 'events'",
    )

    assert found(audit(copy)) == {("schema_differs", None)}


def test_what_sqlite_makes_for_itself_is_no_difference(copy: Path) -> None:
    change(copy, "ANALYZE", "VACUUM")

    assert audit(copy).is_clean


@pytest.mark.parametrize("name", ["jobs_ready", "jobs_by_key", "sqlite_autoindex_events_1"])
def test_a_damaged_index_that_no_comparison_reads_is_found(copy: Path, name: str) -> None:
    damage_first_page_of(copy, name)

    report = audit(copy)

    assert found(report) == {("file_damaged", None)}
    assert len(report.violations) <= DAMAGE_LINES_MAX


def test_an_index_that_is_not_what_its_table_says_is_found(copy: Path) -> None:
    change(
        copy,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql, 'PENDING', 'FAILED') WHERE name = 'jobs_ready'",
    )

    assert found(audit(copy)) == {("schema_differs", None), ("file_damaged", None)}


@pytest.mark.parametrize("table", ["jobs", "events"])
@pytest.mark.parametrize("text", ["0a736563726574ff", "225cff73656372657422"])
def test_text_that_is_no_text_names_its_job_and_not_the_text(copy: Path, table: str, text: str) -> None:
    named = "id" if table == "jobs" else "job_id"
    connection = sqlite3.connect(copy / "observatory.db")
    job_id = connection.execute("SELECT min(id) FROM jobs").fetchone()[0]
    connection.close()
    change(copy, f"UPDATE {table} SET payload = CAST(x'{text}' AS TEXT) WHERE {named} = '{job_id}'")

    report = audit(copy)

    assert ("row_unreadable", job_id) in found(report)
    assert {one.job_id for one in report.violations} <= {job_id, None}
    for violation in report.violations:
        assert "secret" not in violation.detail
        assert "\n" not in violation.detail


@pytest.mark.parametrize("table", ["jobs", "events", "views"])
@pytest.mark.parametrize("fault", ["dropped", "renamed column", "damaged page"])
def test_a_file_whose_jobs_cannot_be_read_is_one_line_with_its_path_and_the_cure(
    copy: Path, table: str, fault: str
) -> None:
    column = {"jobs": "queue", "events": "event_type", "views": "generation"}[table]
    if fault == "dropped":
        change(copy, f"DROP TABLE {table}")
    elif fault == "renamed column":
        change(copy, f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
    else:
        damage_first_page_of(copy, table)

    with pytest.raises(DataFolderUnusable) as caught:
        audit(copy)

    said = {"dropped": f"no such table: {table}", "renamed column": f"no such column: {column}"}.get(fault, "malformed")
    assert str(caught.value).startswith(f"{copy / 'observatory.db'} cannot be read (")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy.startswith("bring back a copy")
