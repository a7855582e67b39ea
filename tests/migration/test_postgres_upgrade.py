"""Do the statements of every release go on working on the schemas of those that say so?"""

import itertools
from contextlib import asynccontextmanager

import asyncpg
import pytest

from observatory.core.errors import DataTooNew
from observatory.engine.postgres_database import PostgresDatabase
from observatory.engine.postgres_migrations import migrate, schema_status
from tests.migration import statements
from tests.migration.next_schema import ADDITIVE, CURRENT, REMOVING, planted, works_with
from tests.migration.schemas import broken, meaning, schema_of

TRIGGER = """
CREATE TRIGGER t BEFORE UPDATE ON observatory.jobs
FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
"""
RECORD = statements.on_record()
ADDED = planted(works_with(len(CURRENT), ADDITIVE))

_number = itertools.count(1)


@pytest.fixture
async def database_at(postgres_server):
    """Opens a database that has these migrations and nothing else."""
    opened = []

    async def database_at(migrations):
        name = f"upgrade_{next(_number)}"
        database = PostgresDatabase(postgres_server.create_database(name), service="test")
        opened.append((name, database))
        await migrate(database, migrations)
        return database

    yield database_at
    for name, database in opened:
        await database.close()
        postgres_server.drop_database(name)


@asynccontextmanager
async def connected(database):
    connection = await database.connect()
    try:
        yield connection
    finally:
        connection.terminate()


async def schema(database):
    async with connected(database) as connection:
        return await schema_of(connection)


async def meanings(database, of):
    """What each statement means there; for one that does not stand, the error."""
    found = {}
    async with connected(database) as connection:
        for statement in of:
            try:
                found[statement] = await meaning(connection, statement)
            except asyncpg.PostgresError as error:
                found[statement] = str(error)
                await connection.execute("DEALLOCATE ALL")
    return found


def newest_that_works_with(number, migrations):
    """How many of *migrations* a release of schema *number* may meet and works with."""
    declared = [migration.number for migration in migrations if migration.works_with > number]
    return (declared[0] if declared else len(migrations) + 1) - 1


class TestTheRecord:
    @pytest.mark.parametrize(("name", "query"), sorted(statements.named().items()))
    def test_every_named_query_is_on_record(self, name, query):
        assert (
            statements.is_among(query, RECORD[len(CURRENT)]) or name.partition(":")[2] in statements.NOT_SENT_THERE
        ), f"{name} is new or another: python -m tests.migration.statements"

    def test_a_query_that_was_changed_is_not(self):
        query = statements.named()["lookup:jobs_by_ids"]

        assert statements.is_among(query, RECORD[len(CURRENT)])
        assert not statements.is_among(query.replace("id", "other_id"), RECORD[len(CURRENT)])


class TestStatements:
    @pytest.mark.parametrize("number", RECORD)
    @pytest.mark.parametrize("migrations", [CURRENT, ADDED], ids=["current", "planted"])
    async def test_those_of_every_release_mean_the_same_on_the_newest_schema_it_works_with(
        self, database_at, number, migrations
    ):
        newest = newest_that_works_with(number, migrations)

        before = await meanings(await database_at(CURRENT[:number]), RECORD[number])
        after = await meanings(await database_at(migrations[:newest]), RECORD[number])

        assert [statement for statement, meant in before.items() if isinstance(meant, str)] == []
        assert {statement: meant for statement, meant in after.items() if meant != before[statement]} == {}

    @pytest.mark.parametrize(
        ("sql", "is_hit"),
        [
            (REMOVING, "RETURNING"),
            ("ALTER TABLE observatory.jobs RENAME COLUMN queue TO line", "queue"),
            ("ALTER TABLE observatory.workers ALTER document TYPE varchar(9)", "observatory.workers"),
            ("DROP TABLE observatory.published", "published"),
            ("DROP FUNCTION observatory.now", "now()"),
            ("ALTER TABLE observatory.types DROP CONSTRAINT types_pkey", "ON CONFLICT (type)"),
        ],
    )
    async def test_one_that_a_migration_breaks_is_found(self, database_at, sql, is_hit):
        of = RECORD[len(CURRENT)]
        before = await meanings(await database_at(CURRENT), of)

        after = await meanings(await database_at(planted(sql)), of)

        assert [statement for statement in of if after[statement] != before[statement] and is_hit in statement]


class TestDeclarations:
    @pytest.mark.parametrize("migrations", [CURRENT, ADDED], ids=["current", "planted"])
    async def test_a_migration_that_leaves_releases_working_only_adds(self, database_at, migrations):
        schemas = [await schema(await database_at(migrations[:number])) for number in range(1, len(migrations) + 1)]

        wrong = {
            (migration.number, number): broken(schemas[number - 1], schemas[migration.number - 1])
            for migration in migrations
            for number in range(migration.works_with, migration.number)
        }

        assert len(wrong) >= 21
        assert {where: what for where, what in wrong.items() if what} == {}

    @pytest.mark.parametrize(
        ("sql", "said"),
        [
            (REMOVING, "column jobs.traceparent is gone"),
            ("DROP TABLE observatory.pruned", "column pruned.document is gone"),
            ("ALTER TABLE observatory.jobs RENAME COLUMN queue TO line", "column jobs.queue is gone"),
            ("ALTER TABLE observatory.jobs ALTER priority TYPE integer", "column jobs.priority was smallint and is"),
            ("ALTER TABLE observatory.types ADD COLUMN tenant text NOT NULL", "column types.tenant must be given"),
            ("ALTER TABLE observatory.jobs ALTER attempt DROP DEFAULT", "column jobs.attempt must be given"),
            ("ALTER TABLE observatory.jobs ALTER traceparent SET NOT NULL", "column jobs.traceparent must be given"),
            ("ALTER TABLE observatory.jobs ADD CHECK (priority > 3)", "jobs has a further constraint: CHECK"),
            ("CREATE UNIQUE INDEX u ON observatory.jobs (correlation_id)", "a further index is unique"),
            ("DROP INDEX observatory.jobs_ready", "index is gone"),
            (
                "CREATE OR REPLACE FUNCTION observatory.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
                "function is gone or another",
            ),
            (TRIGGER, "jobs has a further trigger"),
        ],
    )
    async def test_one_that_does_not_only_add_is_found(self, database_at, sql, said):
        before, after = [await schema(await database_at(migrations)) for migrations in (CURRENT, planted(sql))]

        assert [one for one in broken(before, after) if one.startswith(said)]


class TestWhoMayWork:
    async def test_this_release_works_on_a_later_schema_that_says_so(self, database_at):
        status = await schema_status(await database_at(ADDED), CURRENT)

        assert status.is_current
        assert status.number == len(CURRENT) + 1

    @pytest.mark.parametrize("later", ["", works_with(len(CURRENT), ADDITIVE)], ids=["the last", "before another"])
    async def test_it_refuses_one_that_does_not_say_so(self, database_at, later):
        database = await database_at(planted(REMOVING, *filter(None, [later])))

        with pytest.raises(DataTooNew, match=f"this release works up to {len(CURRENT)}") as refused:
            await schema_status(database, CURRENT)

        assert "install that release or a later one" in refused.value.remedy

    async def test_it_works_again_on_none_that_says_it_of_another_release(self, database_at):
        of_the_next = works_with(len(CURRENT) + 1, REMOVING)
        migrations = planted(works_with(len(CURRENT), ADDITIVE), of_the_next)
        database = await database_at(migrations)

        assert (await schema_status(database, migrations[:-1])).is_current
        with pytest.raises(DataTooNew):
            await schema_status(database, CURRENT)
