"""Each fault as its client sees it, and what the server did all the same, asked over a connection of its own."""

import asyncio
import http.server
import socket
import threading
import time
from contextlib import contextmanager

import asyncpg
import httpx2
import pytest

from tests.servers.conversation import Conversation, Direction
from tests.servers.fault_plan import Fault, Rule
from tests.servers.fault_proxy import FaultProxy
from tests.servers.http_conversation import HttpConversation
from tests.servers.postgres_conversation import PostgresConversation

IN_TIME_S = 20.0
NOT_YET_S = 0.15
LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
REPLY_BYTES = 2_000_000


def until(condition):
    end_s = time.monotonic() + IN_TIME_S
    while not condition():
        assert time.monotonic() < end_s, "not in time"
        time.sleep(0.002)


# --- HTTP ---------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    """POST /add notes the body; GET /chunks and /large answer at length; GET /stream goes on until it is let go."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) == int(self.headers["Content-Length"]):
            self.server.let_go.wait(IN_TIME_S)
            self.server.done.append(body)
            self.answer(b"done: " + body)

    def do_GET(self):
        if self.path == "/large":
            self.answer(b"x" * REPLY_BYTES)
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            self.wfile.write(b"3\r\na:%d\r\n" % number)
            if self.path == "/stream":
                self.server.step.acquire(timeout=IN_TIME_S)
        self.wfile.write(b"0\r\n\r\n")


@pytest.fixture
def service():
    """Holds its answers only while *let_go* is not set; *done* is what it did."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.done, server.let_go, server.step = [], threading.Event(), threading.Semaphore(0)
    server.let_go.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.let_go.set()
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def through(service, *rules, **options):
    with (
        FaultProxy(service.server_port, HttpConversation, rules, **options) as proxy,
        httpx2.Client(base_url=proxy.url, timeout=IN_TIME_S, trust_env=False) as client,
    ):
        yield proxy, client


def cut_off(client, body):
    with pytest.raises(httpx2.TransportError) as lost:
        client.post("/add", content=body)
    return lost.value


def test_without_faults_everything_passes(service):
    with through(service) as (proxy, client):
        for number in range(20):
            assert client.post("/add", content=b"%d" % number).content == b"done: %d" % number
        assert client.get("/chunks").content == b"a:0a:1a:2"
        assert len(client.get("/large").content) == REPLY_BYTES

    assert service.done == [b"%d" % number for number in range(20)]
    assert proxy.connections == 1
    assert proxy.forwarded == {"POST /add": 20, "GET /chunks": 1, "GET /large": 1}
    assert not proxy.faults


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_cut_reply_is_of_a_request_that_was_done(service, is_reset):
    with through(service, Rule(fault=Fault.CUT_REPLY, is_reset=is_reset)) as (proxy, client):
        lost = cut_off(client, b"1")
        assert service.done == [b"1"]
        assert client.post("/add", content=b"2").content == b"done: 2"

    assert isinstance(lost, httpx2.ReadError if is_reset else httpx2.RemoteProtocolError)
    assert proxy.faults == {Fault.CUT_REPLY: 1}
    assert proxy.forwarded == {"POST /add": 2}


@pytest.mark.parametrize("first_bytes", [0, 10, 30])
def test_a_cut_request_is_not_done(service, first_bytes):
    with through(service, Rule(fault=Fault.CUT_REQUEST, first_bytes=first_bytes)) as (proxy, client):
        cut_off(client, b"1")
        assert client.post("/add", content=b"2").content == b"done: 2"

    assert service.done == [b"2"]
    assert proxy.faults == {Fault.CUT_REQUEST: 1}
    assert proxy.forwarded == {"POST /add": 1}


def test_a_cut_in_the_body_of_a_request_leaves_the_server_with_the_beginning(service):
    with through(service, Rule(fault=Fault.CUT_REQUEST, first_bytes=10**9)) as (_, client):
        cut_off(client, b"all but the last byte")

    assert service.done == []


def test_a_client_cut_off_after_its_request_is_gone_while_the_server_is_still_at_work(service):
    service.let_go.clear()
    with through(service, Rule(fault=Fault.CUT_AFTER_REQUEST)) as (proxy, client):
        cut_off(client, b"1")
        assert service.done == []
        service.let_go.set()
        until(lambda: service.done == [b"1"])

    assert proxy.faults == {Fault.CUT_AFTER_REQUEST: 1}


@pytest.mark.parametrize("path", ["/large", "/chunks"])
@pytest.mark.parametrize("first_bytes", [10, 90, 10**9])
def test_a_reply_cut_in_its_middle_is_noticed(service, path, first_bytes):
    with through(service, Rule(fault=Fault.CUT_REPLY, first_bytes=first_bytes, count=2)) as (proxy, client):
        for cuts in (1, 2):
            with pytest.raises(httpx2.RemoteProtocolError):
                client.get(path)
            assert proxy.faults == {Fault.CUT_REPLY: cuts}
        assert client.get(path).status_code == 200


@contextmanager
def by_hand(*rules):
    """A client through the proxy to a server, all three as plain sockets."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        FaultProxy(listener.getsockname()[1], HttpConversation, rules) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=IN_TIME_S) as client,
    ):
        server, _ = listener.accept()
        server.settimeout(IN_TIME_S)
        with server:
            yield client, server


def hears_nothing(side):
    side.settimeout(NOT_YET_S)
    with pytest.raises(TimeoutError):
        side.recv(1)
    side.settimeout(IN_TIME_S)
    return True


def test_a_reply_is_cut_when_it_is_whole_and_not_before():
    with by_hand(Rule(fault=Fault.CUT_REPLY)) as (client, server):
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        server.recv(1000)
        server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbod")
        assert hears_nothing(client)

        server.sendall(b"y")

        assert client.recv(1000) == b""
        assert server.recv(1000) == b""


def test_a_held_reply_is_of_a_request_that_was_done_and_its_client_waits():
    with by_hand(Rule(fault=Fault.HOLD_REPLY)) as (client, server):
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        server.recv(1000)
        server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")

        assert hears_nothing(client)
        assert hears_nothing(server)

        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        server.recv(1000)
        server.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert client.recv(1000) == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_what_the_client_waits_for_before_its_request_is_whole_passes():
    with by_hand(Rule(fault=Fault.CUT_REPLY)) as (client, server):
        client.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        server.recv(1000)
        server.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"

        client.sendall(b"body")
        assert server.recv(1000) == b"body"
        server.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        assert client.recv(1000) == b""


def test_a_server_at_work_does_not_notice_that_its_client_was_cut_off():
    with by_hand(Rule(fault=Fault.CUT_AFTER_REQUEST)) as (client, server):
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(1000) == b""
        server.recv(1000)
        assert hears_nothing(server)

        server.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        assert server.recv(1000) == b""


def test_exactly_the_first_bytes_of_a_reply_arrive(service):
    with (
        through(service, Rule(fault=Fault.CUT_REPLY, first_bytes=1_234_567)) as (proxy, _),
        socket.create_connection(("127.0.0.1", proxy.port), timeout=IN_TIME_S) as client,
    ):
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        with client.makefile("rb") as stream:
            assert len(stream.read()) == 1_234_567


def test_a_stream_passes_piece_by_piece(service):
    with through(service) as (_, client), client.stream("GET", "/stream") as reply:
        pieces = reply.iter_raw()
        for number in range(3):
            assert next(pieces) == b"a:%d" % number
            service.step.release()


def test_what_is_stalled_is_lost_to_time_outs_only_and_goes_on_when_healed(service):
    with through(service) as (proxy, client):
        client.post("/add", content=b"0")  # a connection that is open before
        proxy.stall(Direction.REPLIES)
        with pytest.raises(httpx2.ReadTimeout):
            client.post("/add", content=b"1", timeout=NOT_YET_S)
        assert service.done == [b"0", b"1"]

        proxy.heal()
        proxy.stall(Direction.REQUESTS)
        with pytest.raises(httpx2.ReadTimeout):
            client.post("/add", content=b"2", timeout=NOT_YET_S)
        assert service.done == [b"0", b"1"]

        proxy.heal()
        until(lambda: service.done == [b"0", b"1", b"2"])
        assert client.post("/add", content=b"3").content == b"done: 3"


@pytest.mark.parametrize("direction", list(Direction))
def test_latency_delays_one_direction(service, direction):
    with through(service) as (proxy, client):
        proxy.delay(direction, 0.1)
        begin_s = time.monotonic()
        assert client.post("/add", content=b"1").content == b"done: 1"
        assert time.monotonic() - begin_s >= 0.1

        proxy.delay(direction, IN_TIME_S)
        with pytest.raises(httpx2.ReadTimeout):
            client.post("/add", content=b"2", timeout=NOT_YET_S)
        assert service.done == [b"1"] + [b"2"] * (direction is Direction.REPLIES)


def test_a_client_whose_server_is_away_is_reset():
    with socket.create_server(("127.0.0.1", 0)) as away:
        port = away.getsockname()[1]
    with FaultProxy(port, HttpConversation) as proxy, pytest.raises(httpx2.NetworkError):
        httpx2.get(proxy.url, trust_env=False)


def test_an_unknown_protocol_passes_and_can_be_cut_by_bytes():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        FaultProxy(server.getsockname()[1], Conversation) as proxy,
    ):
        for rule in (None, Rule(fault=Fault.CUT_REPLY, first_bytes=3)):
            if rule is not None:
                proxy.plan.add(rule)
            with socket.create_connection(("127.0.0.1", proxy.port), timeout=IN_TIME_S) as client:
                accepted, _ = server.accept()
                with accepted:
                    client.sendall(b"ask")
                    assert accepted.recv(100) == b"ask"
                    accepted.sendall(b"answer")
                    accepted.shutdown(socket.SHUT_WR)
                    with client.makefile("rb") as stream:
                        assert stream.read() == (b"answer" if rule is None else b"ans")


# --- PostgreSQL ---------------------------------------------------------------------------------


@pytest.fixture
def database(postgres_server):
    name = "fault_proxy"
    postgres_server.create_database(name)
    postgres_server.execute("CREATE TABLE rows (n int PRIMARY KEY)", database=name)
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def proxy(postgres_server, database):
    with FaultProxy(postgres_server.port, PostgresConversation, seed=1) as proxy:
        yield proxy


@pytest.fixture
async def connect(postgres_server, database, proxy):
    connections = []

    async def connect(**options):
        url = postgres_server.url(database, port=proxy.port)
        connections.append(await asyncpg.connect(url, timeout=IN_TIME_S, **options))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.terminate()


@pytest.fixture
def stored(postgres_server, database):
    """What is committed, told by the server itself."""
    return lambda: [row["n"] for row in postgres_server.execute("SELECT n FROM rows ORDER BY n", database=database)]


async def insert(connection, number):
    async with connection.transaction():
        await connection.execute("INSERT INTO rows VALUES ($1)", number)


async def test_statements_pass_with_their_text(connect, proxy, stored):
    connection = await connect()
    for number in range(3):
        await insert(connection, number)
    await connection.execute("SELECT 1; SELECT 2")
    large = await connection.fetchval("SELECT repeat('x', $1)", REPLY_BYTES)
    await connection.close()

    assert len(large) == REPLY_BYTES
    assert stored() == [0, 1, 2]
    assert proxy.forwarded["startup"] == 1
    assert proxy.forwarded["COMMIT"] == 3
    assert proxy.forwarded["INSERT INTO rows VALUES ($1)"] >= 3
    assert proxy.forwarded["SELECT 1; SELECT 2"] == 1


@pytest.mark.parametrize("first_bytes", [0, 3, 14])
@pytest.mark.parametrize("is_reset", [False, True])
async def test_the_cut_reply_of_the_nth_commit_is_of_a_commit(connect, proxy, stored, is_reset, first_bytes):
    cut = Rule(fault=Fault.CUT_REPLY, match="^commit$", skip=2, is_reset=is_reset, first_bytes=first_bytes)
    proxy.plan.add(cut)
    connection = await connect()
    await insert(connection, 1)
    await insert(connection, 2)

    with pytest.raises(LOST):
        await insert(connection, 3)

    assert stored() == [1, 2, 3]
    assert proxy.faults == {Fault.CUT_REPLY: 1}
    await insert(await connect(), 4)
    assert stored() == [1, 2, 3, 4]


@pytest.mark.parametrize("first_bytes", [0, 3, 10**9])
async def test_a_commit_that_is_cut_on_its_way_is_rolled_back(connect, proxy, stored, first_bytes):
    proxy.plan.add(Rule(fault=Fault.CUT_REQUEST, match="^commit$", first_bytes=first_bytes))

    with pytest.raises(LOST):
        await insert(await connect(), 1)

    await insert(await connect(), 1)  # waits until the first is rolled back
    assert stored() == [1]
    assert proxy.forwarded["COMMIT"] == 1


async def test_a_statement_without_a_transaction_is_done_though_its_reply_is_cut(connect, proxy, stored):
    proxy.plan.add(Rule(fault=Fault.CUT_REPLY, match="^insert", skip=1))
    connection = await connect()
    await connection.execute("INSERT INTO rows VALUES (1)")

    with pytest.raises(LOST):
        await connection.execute("INSERT INTO rows VALUES (2)")

    assert stored() == [1, 2]


async def test_a_prepared_statement_is_known_by_its_text(connect, proxy, stored):
    connection = await connect()
    statement = await connection.prepare("INSERT INTO rows VALUES ($1)")
    await statement.fetch(1)
    proxy.plan.add(Rule(fault=Fault.CUT_REPLY, match="^insert"))

    with pytest.raises(LOST):
        await statement.fetch(2)

    assert stored() == [1, 2]


async def test_a_client_cut_off_after_its_statement_leaves_it_running(
    connect, proxy, stored, postgres_server, database
):
    proxy.plan.add(Rule(fault=Fault.CUT_AFTER_REQUEST, match="^insert"))
    connection = await connect()
    holder = await asyncpg.connect(postgres_server.url(database))
    lock = holder.transaction()
    await lock.start()
    await holder.execute("LOCK TABLE rows")

    with pytest.raises(LOST):
        await connection.execute("INSERT INTO rows VALUES (1)")
    await lock.rollback()
    await holder.close()

    until(lambda: stored() == [1])
    assert proxy.faults == {Fault.CUT_AFTER_REQUEST: 1}


@pytest.mark.parametrize(("fault", "rows"), [(Fault.CUT_REPLY, [1, 2]), (Fault.CUT_REQUEST, [])])
async def test_a_copy_is_one_request(connect, proxy, stored, fault, rows):
    proxy.plan.add(Rule(fault=fault, match="^copy", first_bytes=0 if fault is Fault.CUT_REPLY else 60))
    connection = await connect()

    with pytest.raises(LOST):
        await connection.copy_records_to_table("rows", records=[(1,), (2,)], columns=["n"])

    assert stored() == rows
    assert proxy.faults == {fault: 1}
    copied = await (await connect()).copy_records_to_table("rows", records=[(3,)], columns=["n"])
    assert copied == "COPY 1"


async def test_a_connection_can_be_refused_its_start(connect, proxy):
    proxy.plan.add(Rule(fault=Fault.CUT_REPLY, match="^startup$"))

    with pytest.raises(LOST):
        await connect()

    assert await (await connect()).fetchval("SELECT 1") == 1


async def test_a_seeded_plan_cuts_a_hundred_replies_and_no_row_is_lost(connect, proxy, stored):
    proxy.plan.add(Rule(fault=Fault.CUT_REPLY, match="^commit$", count=100, probability=0.5))
    connection, answered, cut, number = await connect(), [], [], 0

    while proxy.faults[Fault.CUT_REPLY] < 100:
        number += 1
        try:
            await insert(connection, number)
            answered.append(number)
        except LOST:
            cut.append(number)
            connection.terminate()
            connection = await connect()

    assert proxy.plan.is_done
    assert len(cut) == 100
    assert len(answered) > 50
    assert stored() == sorted(answered + cut)


async def test_a_stalled_reply_times_out_and_arrives_when_healed(connect, proxy, stored):
    connection = await connect()
    waiting = await connect()
    proxy.stall(Direction.REPLIES)

    with pytest.raises(TimeoutError):
        await connection.execute("INSERT INTO rows VALUES (1)", timeout=NOT_YET_S)
    asked = asyncio.create_task(waiting.execute("INSERT INTO rows VALUES (2)"))
    await asyncio.wait([asked], timeout=NOT_YET_S)
    assert not asked.done()
    assert stored() == [1, 2]
    proxy.heal()

    assert await asyncio.wait_for(asked, IN_TIME_S) == "INSERT 0 1"


async def test_a_stalled_request_does_not_reach_the_server_before_it_is_healed(connect, proxy, stored):
    connection = await connect()
    proxy.stall(Direction.REQUESTS)
    asked = asyncio.create_task(connection.execute("INSERT INTO rows VALUES (1)"))
    await asyncio.wait([asked], timeout=NOT_YET_S)
    assert not asked.done()
    assert stored() == []

    proxy.heal()

    assert await asyncio.wait_for(asked, IN_TIME_S) == "INSERT 0 1"
    assert stored() == [1]


async def test_a_reset_ends_connections_that_rest(connect, proxy):
    connections = [await connect() for _ in range(3)]

    proxy.reset_connections()

    for connection in connections:
        with pytest.raises(LOST):
            await connection.fetchval("SELECT 1")
    assert await (await connect()).fetchval("SELECT 1") == 1


async def test_the_end_of_the_server_reaches_the_client_and_so_does_its_return(connect, postgres_server, database):
    connection = await connect()
    postgres_server.terminate_backends(database)

    with pytest.raises(LOST):
        await connection.fetchval("SELECT 1")
    assert await (await connect()).fetchval("SELECT 1") == 1


async def test_notifications_pass_unasked(connect, postgres_server, database):
    connection, heard = await connect(), asyncio.Queue()
    await connection.add_listener("news", lambda *said: heard.put_nowait(said[-1]))

    postgres_server.execute("NOTIFY news, 'one'", database=database)

    assert await asyncio.wait_for(heard.get(), IN_TIME_S) == "one"
