"""What do the commands say of a database that no release could work with?"""

import itertools
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

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
