"""The store's clock over a connection of the application, whatever that has set for itself."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from observatory.engine.postgres_lent import lent
from observatory.engine.postgres_server import now_of
from tests.conformance.postgres import CLOCK_OF_THE_SERVER, template_of
from tests.servers.postgres import PrivatePostgres


@pytest.mark.parametrize("datestyle", ["ISO, MDY", "SQL, DMY", "German", "Postgres, MDY"])
@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kolkata"])
async def test_the_clock_is_read_under_every_date_style(
    postgres_server: PrivatePostgres, datestyle: str, timezone: str
) -> None:
    name = "clock"
    url = postgres_server.create_database(name, template=template_of(postgres_server, is_elsewhere=False))
    try:
        with psycopg.connect(url) as connection:
            connection.execute(CLOCK_OF_THE_SERVER)
            connection.execute("SELECT set_config('datestyle', %s, false)", [datestyle])
            connection.execute("SELECT set_config('timezone', %s, false)", [timezone])
            now = await now_of(lent(connection))
    finally:
        postgres_server.drop_database(name)

    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=10)
