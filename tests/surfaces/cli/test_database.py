"""What do the commands for a data folder say when a database holds the data?"""

import pytest

from tests.e2e.process import odd

URL = "postgresql://ann:hunter2@127.0.0.1:1/jobs"


@pytest.mark.parametrize(
    ("words", "instead"),
    [(["backup", "copy"], "pg_dump"), (["restore", "copy"], "pg_restore"), (["rebuild", "--check"], "audit")],
    ids=["backup", "restore", "rebuild-check"],
)
def test_a_command_for_a_folder_refuses_and_says_what_to_do_instead(tmp_path, words, instead):
    done = odd(tmp_path, *words, POSTGRES_URL=URL)

    assert done.returncode == 2
    assert "the data is in PostgreSQL" in done.stderr
    assert instead in done.stderr
    assert "hunter2" not in done.stderr
    assert not (tmp_path / "copy").exists()


def test_an_audit_of_a_database_that_is_away_says_so(tmp_path):
    done = odd(tmp_path, "audit", POSTGRES_URL=URL)

    assert done.returncode not in (0, 1)
    assert "PostgreSQL" in done.stderr
    assert "hunter2" not in done.stderr
