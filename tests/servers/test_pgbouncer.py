"""Does the private PgBouncer pool by transactions, come back at its port, and leave nothing behind?"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.servers import pgbouncer
from tests.servers.ground import ROOT
from tests.servers.pgbouncer import PrivatePgBouncer
from tests.servers.postgres import CannotStartServer

pytestmark = pytest.mark.usefixtures("postgres_pooler")  # skips or fails where there is none
IN_TIME_S = 20.0
KILLED_PARENT = """
import sys
from tests.servers.ground import ground
from tests.servers.pgbouncer import PrivatePgBouncer
from tests.servers.postgres import PrivatePostgres
server = PrivatePostgres()
server.start()
pooler = PrivatePgBouncer(server)
pooler.start()
print(ground(), pooler.process.pid, flush=True)
sys.stdin.read()
"""


async def pids(url, count):
    """The session of the server in which each transaction ran, all begun by one client."""
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        return [await connection.fetchval("SELECT pg_backend_pid()") for _ in range(count)]
    finally:
        await connection.close()


async def test_two_clients_share_one_session(postgres_server):
    postgres_server.create_database("pooled")
    with PrivatePgBouncer(postgres_server, sessions_max=1) as pooler:
        many = await asyncio.gather(*(pids(pooler.url("pooled"), 3) for _ in range(5)))

        assert len({pid for found in many for pid in found}) == 1
    postgres_server.drop_database("pooled")


async def test_a_forgetful_one_gives_no_session_twice(postgres_server):
    with PrivatePgBouncer(postgres_server, is_forgetful=True) as pooler:
        assert len(set(await pids(pooler.url("postgres"), 5))) == 5


async def test_after_a_kill_it_comes_back_at_its_port(postgres_server):
    with PrivatePgBouncer(postgres_server) as pooler:
        connection = await asyncpg.connect(pooler.url("postgres"))
        pooler.kill()
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await connection.fetchval("SELECT 1")
        connection.terminate()

        pooler.start()

        assert await pids(pooler.url("postgres"), 1)


def test_one_that_cannot_start_shows_its_log(postgres_server, postgres_pooler):
    pooler = PrivatePgBouncer(postgres_server)
    (pooler.folder / "pgbouncer.ini").write_text("[pgbouncer]\npool_mode = never\n")
    with pytest.raises(CannotStartServer, match="pool_mode"):
        pooler.start()
    pooler.close()
    assert not pooler.folder.exists()


def test_the_end_of_the_process_leaves_none():
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED_PARENT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    folder, pid = parent.stdout.readline().split()
    assert psutil.pid_exists(int(pid))

    parent.kill()
    parent.communicate()

    end_s = time.monotonic() + IN_TIME_S
    while psutil.pid_exists(int(pid)) or Path(folder).exists():
        assert time.monotonic() < end_s, "not in time"
        time.sleep(0.02)


def test_what_to_do_without_the_package_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(pgbouncer, "_found", lambda: None)
    said = pgbouncer.missing.__wrapped__()
    assert "make services" in said
    assert "\n" not in said
