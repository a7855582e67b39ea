"""What do the commands say of a database that no release could work with?"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from observatory.core.errors import DatabaseUnusable, StoreUnavailable
from observatory.runtime.ports import Ports
from observatory.runtime.ports.postgres import open_postgres
from observatory.runtime.schema import SchemaTooOld
from observatory.runtime.settings import load
from observatory.runtime.sources import system_sources
from tests.e2e.process import odd
from tests.servers.postgres import PrivatePostgres

Make = Callable[..., tuple[str, str]]

_number = itertools.count(1)


@pytest.fixture
def make(postgres_server: PrivatePostgres) -> Generator[Make]:
    """Makes a database as the words after its name say; gives its name and URL."""
    made: list[str] = []

    def make(options: str = "") -> tuple[str, str]:
        made.append(f"unusable_{next(_number)}")
        postgres_server.execute(f"CREATE DATABASE {made[-1]} {options}")
        return made[-1], postgres_server.url(made[-1])

    yield make
    for name in made:
        postgres_server.drop_database(name)


@pytest.mark.parametrize("words", ["migrate", "migrate --status", "serve gateway", "up", "audit"])
def test_one_that_cannot_store_every_text_is_refused(make: Make, tmp_path: Path, words: str) -> None:
    _, url = make("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")

    done = odd(tmp_path, *words.split(), POSTGRES_URL=url, ODD_GATEWAY_PORT="0")

    assert done.returncode == 1, done.stderr
    assert "the database is not encoded in UTF8" in done.stderr
    assert "CREATE DATABASE jobs ENCODING 'UTF8'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_only_reads_is_said_by_migrate_and_once_by_up(
    make: Make, postgres_server: PrivatePostgres, tmp_path: Path
) -> None:
    name, url = make()
    assert odd(tmp_path, "migrate", POSTGRES_URL=url).returncode == 0
    postgres_server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    done = odd(tmp_path, "migrate", POSTGRES_URL=url)
    up = odd(tmp_path, "up", "--json", before=["timeout", "-s", "TERM", "6"], POSTGRES_URL=url)

    assert done.returncode not in (0, 2)
    assert "this server is read-only (a standby" in done.stderr
    assert up.stdout.count("cannot be used; waiting: PostgreSQL: this server is read-only (a standby") == 1


@pytest.fixture
async def ports(make: Make, postgres_server: PrivatePostgres, tmp_path: Path) -> AsyncGenerator[tuple[str, Ports]]:
    """Those of a role `<database>_app` that has the rights it needs; with the name of the database."""
    name, url = make()
    postgres_server.execute(f"CREATE ROLE {name}_app LOGIN")
    assert (await asyncio.to_thread(odd, tmp_path, "migrate", POSTGRES_URL=url)).returncode == 0
    for statement in (
        f"GRANT USAGE ON SCHEMA observatory TO {name}_app",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA observatory TO {name}_app",
    ):
        postgres_server.execute(statement, database=name)
    settings = load({"data_dir": tmp_path, "postgres_url": url.replace("observatory@", f"{name}_app@")}, {})
    ports = open_postgres(settings, system_sources(), role="test")
    yield name, ports
    await ports.close()
    postgres_server.execute(f"DROP OWNED BY {name}_app", database=name)
    postgres_server.execute(f"DROP ROLE {name}_app")


async def test_a_role_is_not_ready_without_the_right_to_write_jobs(
    ports: tuple[str, Ports], postgres_server: PrivatePostgres
) -> None:
    name, opened = ports
    await opened.check()
    postgres_server.execute(f"REVOKE INSERT ON observatory.jobs FROM {name}_app", database=name)

    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(DatabaseUnusable, match=f"the role {name}_app may not write observatory.jobs") as raised:
                await opened.check()

    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA observatory" in str(raised.value.remedy)
    assert [one["reason"] for one in logs] == [str(raised.value)], "said once"


async def test_a_role_is_not_ready_over_a_database_that_was_made_anew(
    ports: tuple[str, Ports], postgres_server: PrivatePostgres
) -> None:
    name, opened = ports
    await opened.check()
    postgres_server.drop_database(name)
    postgres_server.create_database(name)
    with pytest.raises(StoreUnavailable):
        await opened.check()  # over the connection that was lost

    with pytest.raises(SchemaTooOld, match="has no schema yet") as raised:
        await opened.check()

    assert "odd-dashboard migrate" in str(raised.value.remedy)


@pytest.mark.parametrize("words", ["migrate", "migrate --status", "serve gateway"])
def test_a_schema_whose_record_was_deleted_is_said(
    make: Make, postgres_server: PrivatePostgres, tmp_path: Path, words: str
) -> None:
    name, url = make()
    assert odd(tmp_path, "migrate", POSTGRES_URL=url).returncode == 0
    postgres_server.execute("DELETE FROM observatory.migrations", database=name)

    done = odd(tmp_path, *words.split(), POSTGRES_URL=url, ODD_GATEWAY_PORT="0")

    assert done.returncode == 1
    assert "the record of its migrations is empty" in done.stderr
    assert "bring back a backup" in done.stderr
