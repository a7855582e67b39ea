import asyncio
import atexit
import os
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.servers import postgres, process_tree
from tests.servers.ground import ROOT
from tests.servers.postgres import CannotStartServer, PrivatePostgres

IN_TIME_S = 20.0
LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg says of a connection that the server ended; the last when it has read the notice and not yet the end."""

pytestmark = pytest.mark.usefixtures("postgres_server")  # skips or fails where there is no PostgreSQL


@pytest.fixture
def server():
    with PrivatePostgres() as server:
        yield server


@pytest.fixture
async def connect():
    connections = []

    async def connect(url, **options):
        connections.append(await asyncpg.connect(url, **options))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.terminate()


def is_running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def until(condition):
    end_s = time.monotonic() + IN_TIME_S
    while not condition():
        assert time.monotonic() < end_s, "not in time"
        time.sleep(0.01)


async def insert_in_the_background(url, numbers, enough):
    """One commit per row; *numbers* has those whose commit was answered; *enough* is set at the fiftieth."""
    connection = await asyncpg.connect(url)
    try:
        while True:
            await connection.execute("INSERT INTO rows VALUES ($1)", len(numbers))
            numbers.append(len(numbers))
            if len(numbers) == 50:
                enough.set()
    except LOST:
        connection.terminate()


@pytest.mark.parametrize("is_durable", [False, True])
async def test_committed_rows_survive_a_kill_under_load(is_durable):
    with PrivatePostgres(is_durable=is_durable) as server:
        url = server.create_database("kept")
        server.execute("CREATE TABLE rows (n int PRIMARY KEY)", database="kept")
        answered, enough = [], asyncio.Event()
        writer = asyncio.create_task(insert_in_the_background(url, answered, enough))
        await enough.wait()

        left = psutil.Process(server.pid).children()
        server.kill()
        await writer
        assert len(left) > 3
        assert not [process for process in left if is_running(process.pid)]
        assert (server.folder / "data" / "postmaster.pid").exists()

        server.start()
        stored = {row["n"] for row in server.execute("SELECT n FROM rows", database="kept")}
        assert stored >= set(answered)
        assert len(stored) <= len(answered) + 1  # the one whose answer was under way
        assert "automatic recovery in progress" in server.log()


def test_the_lock_of_a_killed_server_does_not_stop_the_next_even_if_its_number_is_in_use(server):
    server.kill()
    lock = server.folder / "data" / "postmaster.pid"
    lines = lock.read_text(encoding="ascii").splitlines()
    with PrivatePostgres() as other:  # of the same user, as whom PostgreSQL looks
        lock.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n", encoding="ascii")

        server.start()

    assert server.execute("SELECT 1")


async def test_a_pause_holds_every_connection_and_a_resume_heals_them(server, connect):
    connection = await connect(server.url())
    server.pause()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connection.execute("SELECT 1"), 0.3)
    with pytest.raises(TimeoutError):
        await connect(server.url(), timeout=0.3)
    server.resume()

    healed = await connect(server.url(), timeout=IN_TIME_S)
    assert await healed.fetchval("SELECT 1") == 1


async def test_a_statement_under_way_is_answered_after_the_pause(server, connect):
    connection = await connect(server.url())
    server.pause()
    asked = asyncio.create_task(connection.fetchval("SELECT 42"))
    await asyncio.wait([asked], timeout=0.1)
    assert not asked.done()

    server.resume()

    assert await asyncio.wait_for(asked, IN_TIME_S) == 42


def test_a_paused_server_can_be_killed_and_started(server):
    server.pause()
    server.kill()
    server.start()
    assert server.execute("SELECT 1")


def test_stop_is_clean_and_keeps_data_and_port(server):
    url = server.create_database("kept")
    server.execute("CREATE TABLE rows AS SELECT 7 AS n", database="kept")

    server.stop()
    assert not server.is_running
    server.start()

    assert server.url("kept") == url
    assert server.execute("SELECT n FROM rows", database="kept")[0]["n"] == 7
    assert "automatic recovery in progress" not in server.log()


@pytest.mark.parametrize("end", ["running", "stopped", "killed", "paused"])
def test_close_leaves_no_process_and_no_folder(end):
    server = PrivatePostgres()
    server.start()
    children = [server.pid, *(child.pid for child in psutil.Process(server.pid).children())]
    {"running": lambda: None, "stopped": server.stop, "killed": server.kill, "paused": server.pause}[end]()

    server.close()

    assert not [pid for pid in children if is_running(pid)]
    assert not server.folder.exists()
    assert process_tree.running_in(server.folder) == []


def test_two_servers_stand_side_by_side_and_share_nothing(server):
    with PrivatePostgres() as other:
        server.create_database("mine")
        assert other.port != server.port
        other.kill()
        assert server.execute("SELECT 1", database="mine")
        other.start()
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            other.execute("SELECT 1", database="mine")


async def test_a_database_comes_from_a_template_and_goes_with_its_connections(postgres_server, connect):
    postgres_server.create_database("pattern")
    postgres_server.execute("CREATE TABLE rows AS SELECT 7 AS n", database="pattern")
    url = postgres_server.create_database("copy", template="pattern")
    connection = await connect(url)
    assert await connection.fetchval("SELECT n FROM rows") == 7

    postgres_server.drop_database("copy")

    with pytest.raises(LOST):
        await connection.fetchval("SELECT n FROM rows")
    postgres_server.drop_database("pattern")
    postgres_server.drop_database("pattern")


async def test_terminating_ends_the_connections_of_one_database(postgres_server, connect):
    url = postgres_server.create_database("ended")
    connections = [await connect(url) for _ in range(3)]
    other = await connect(postgres_server.url())

    assert postgres_server.terminate_backends("ended") == 3

    for connection in connections:
        with pytest.raises(LOST):
            await connection.fetchval("SELECT 1")
    assert await other.fetchval("SELECT 1") == 1
    postgres_server.drop_database("ended")


def test_a_server_that_cannot_start_shows_its_log():
    server = PrivatePostgres(settings={"shared_buffers": "no size"})
    with pytest.raises(CannotStartServer, match="invalid value for parameter"):
        server.start()
    server.close()


def test_settings_reach_the_server():
    with PrivatePostgres(is_durable=True, settings={"max_connections": "17"}) as server:
        told = {name: server.execute(f"SHOW {name}")[0][0] for name in ("max_connections", "fsync")}
    assert told == {"max_connections": "17", "fsync": "on"}


KILLED_PARENT = """
import sys
from tests.servers.ground import ground
from tests.servers.postgres import PrivatePostgres
servers = [PrivatePostgres(), PrivatePostgres()]
for server in servers:
    server.start()
servers[1].pause()
print(ground(), *(server.pid for server in servers), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["kill", "exit"])
def test_the_end_of_the_process_leaves_no_server_and_no_folder(end):
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED_PARENT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    folder, *pids = parent.stdout.readline().split()
    family = [child.pid for pid in pids for child in psutil.Process(int(pid)).children()] + [int(pid) for pid in pids]
    assert len(family) > 8

    if end == "kill":
        parent.kill()
    parent.communicate()

    until(lambda: not [pid for pid in family if is_running(pid)])
    until(lambda: not Path(folder).exists())


def test_a_fork_that_ends_leaves_the_servers_of_its_parent_alone(server):
    child = os.fork()
    if child == 0:
        atexit._run_exitfuncs()
        os._exit(0)
    os.waitpid(child, 0)

    assert server.execute("SELECT 1")


def test_the_server_is_our_child_and_hears_no_signal_from_our_terminal(server):
    assert psutil.Process(server.pid).ppid() == os.getpid()
    assert os.getpgid(server.pid) == server.pid


def test_what_to_do_without_the_package_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(postgres, "_folder_of_programs", lambda: None)
    said = postgres.missing.__wrapped__()
    assert "make services" in said
    assert "\n" not in said
