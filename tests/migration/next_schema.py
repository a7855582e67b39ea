"""
Migrations that a next release might bring, for a schema that has none yet.

Each is the next number of the schema of this release. `python -m tests.migration.next_schema FOLDER WORDS…` is
`odd-dashboard WORDS…` of the release whose migrations are those of FOLDER.
"""

import sys
from pathlib import Path

from observatory.engine.migrations import Migration, load_migrations
from observatory.job_store.postgres import MIGRATIONS

CURRENT = load_migrations(MIGRATIONS)
"""Of the schema of this release."""

ADDITIONS = (
    """
DO $$
DECLARE
    existing record;
BEGIN
    FOR existing IN SELECT tablename FROM pg_tables WHERE schemaname = 'observatory' LOOP
        EXECUTE format('ALTER TABLE observatory.%I ADD COLUMN tenant text, '
            'ADD COLUMN weight integer NOT NULL DEFAULT 1 CHECK (weight >= 0)', existing.tablename);
    END LOOP;
END $$;
""",
    "CREATE INDEX jobs_by_tenant ON observatory.jobs (tenant, number) WHERE tenant IS NOT NULL;",
    "CREATE TABLE observatory.tenants (tenant text PRIMARY KEY, jobs bigint NOT NULL DEFAULT 0);",
)
ADDITIVE = "\n".join(ADDITIONS)
"""Two columns in every table, one that may be empty and one with a default; an index; a table."""

REMOVING = "ALTER TABLE observatory.jobs DROP COLUMN traceparent;"
"""What the statements of this release need."""


def works_with(number: int, sql: str) -> str:
    """*sql* as a migration that leaves the releases of schema *number*, and later ones, working."""
    return f"-- works with: {number:03}\n{sql}"


def planted(*sql: str) -> list[Migration]:
    """The migrations of this release, and *sql* as the next ones."""
    first = len(CURRENT) + 1
    return [*CURRENT, *(Migration(number, f"planted_{number}", text) for number, text in enumerate(sql, first))]


def write(folder: Path, migrations: list[Migration]) -> Path:
    """*migrations* as files, for a process of its own; gives *folder*."""
    folder.mkdir()
    for migration in migrations:
        (folder / f"{migration.number:03}_{migration.name}.sql").write_text(migration.sql, encoding="utf-8")
    return folder


if __name__ == "__main__":
    from observatory.runtime.ports import postgres

    postgres.MIGRATIONS = Path(sys.argv[1])
    sys.argv = ["odd-dashboard", *sys.argv[2:]]

    from observatory.cli.app import main

    sys.exit(main())
