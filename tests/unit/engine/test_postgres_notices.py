"""Do notices come through as long as there is a server, and does everybody learn when some may have been missed?"""

import asyncio
import itertools
import socket

import asyncpg
import pytest
from structlog.testing import capture_logs

from observatory.core import limits
from observatory.core.errors import BusUnavailable
from observatory.engine.postgres_database import PostgresDatabase
from observatory.engine.postgres_line import PostgresLine
from observatory.engine.postgres_notices import PostgresNotices
from tests.servers.postgres import PrivatePostgres

IN_TIME_S = 20.0

_number = itertools.count(1)


@pytest.fixture
def own_server(postgres_server):
    """One that a test may stop, kill and pause."""
    with PrivatePostgres() as server:
        yield server


@pytest.fixture
def name(postgres_server):
    """Of a database that nobody else uses."""
    name = f"notices_{next(_number)}"
    postgres_server.create_database(name)
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
async def open_at():
    """Opens the notices of one more process."""
    opened = []

    def open_at(url, **options):
        database = PostgresDatabase(url, service="test", **options)
        notices = PostgresNotices(database)
        opened.extend([notices, database])
        return notices

    yield open_at
    for one in opened:
        await one.close()


@pytest.fixture
def pair(postgres_server, name, open_at):
    """Two processes."""
    return open_at(postgres_server.url(name)), open_at(postgres_server.url(name))


class Ear:
    """Writes down what it hears."""

    def __init__(self, notices, channel="news"):
        self.heard = []
        self._came = asyncio.Event()
        self.hearing = notices.hear(channel, self.hear)

    def hear(self, text):
        self.heard.append(text)
        self._came.set()

    async def until(self, condition):
        async with asyncio.timeout(IN_TIME_S):
            while not condition(self.heard):
                self._came.clear()
                await self._came.wait()


async def listening(notices, channel="news"):
    await notices.ready(channel)
    return Ear(notices, channel)


class TestTelling:
    async def test_what_one_process_tells_the_other_hears_once(self, pair):
        one, two = pair
        ear = await listening(two)

        one.tell("news", "it's here")
        one.tell("other news", "?")
        await one.tell_now("news", "17-42")
        await two.catch_up()

        assert sorted(ear.heard) == ["17-42", "it's here"]

    async def test_the_teller_hears_its_own_at_once_and_only_once(self, pair):
        one, _ = pair
        ear = await listening(one)

        one.tell("news", "a")
        assert ear.heard == ["a"]
        await one.tell_now("news", "b")
        await one.catch_up()

        assert ear.heard == ["a", "b"]

    async def test_what_is_told_while_an_earlier_one_is_on_its_way_goes_together(self, pair, monkeypatch):
        one, two = pair
        ear, told, tell = await listening(two), [], PostgresLine.tell

        async def slowly(line, notices):
            told.append(list(notices))
            await asyncio.sleep(0.05)
            await tell(line, notices)

        monkeypatch.setattr(PostgresLine, "tell", slowly)
        await one.ready("news")
        one.tell("news", "first")
        await asyncio.sleep(0.01)
        for _ in range(50):
            one.tell("news", "again")
            one.tell("other news")
        await ear.until(lambda heard: "again" in heard)

        assert told == [[("news", "first")], [("news", "again"), ("other news", "")]]
        assert ear.heard == ["first", "again"]

    async def test_one_that_may_wait_is_told_with_the_next_one_or_in_its_time(self, pair, monkeypatch):
        one, two = pair
        ear, told, tell = await listening(two), [], PostgresLine.tell

        async def noting(line, notices):
            told.append(list(notices))
            await tell(line, notices)

        monkeypatch.setattr(PostgresLine, "tell", noting)
        await one.ready("news")
        one.tell("news", "patient", within_s=60.0)
        await asyncio.sleep(0.02)
        assert told == []
        one.tell("news", "urgent")
        await ear.until(lambda heard: "urgent" in heard)
        one.tell("news", "later", within_s=0.01)
        await ear.until(lambda heard: "later" in heard)

        assert told == [[("news", "patient"), ("news", "urgent")], [("news", "later")]]

    async def test_one_that_the_server_refuses_costs_nobody_anything(self, pair, monkeypatch):
        one, two = pair
        ear, tell = await listening(two), PostgresLine.tell
        await one.ready("news")

        async def refused(line, notices):
            monkeypatch.setattr(PostgresLine, "tell", tell)
            raise asyncpg.LockNotAvailableError("injected")

        monkeypatch.setattr(PostgresLine, "tell", refused)
        with capture_logs() as logs:
            one.tell("news", "lost")
            await asyncio.sleep(0.01)
        one.tell("news", "heard")
        await ear.until(bool)

        assert ear.heard == ["heard"]
        assert one.lost == 1
        assert [log["event"] for log in logs] == ["notices_lost"]

    async def test_of_a_telling_that_must_not_be_lost_the_teller_is_told(self, pair, monkeypatch):
        one, _ = pair
        ear = await listening(one)

        async def refused(line, notices):
            raise asyncpg.LockNotAvailableError("injected")

        monkeypatch.setattr(PostgresLine, "tell", refused)
        with pytest.raises(BusUnavailable):
            await one.tell_now("news", "1-2")
        assert ear.heard == []

    @pytest.mark.parametrize("text", ["ä", "line\n", "\\", "x" * (limits.POSTGRES_NOTICE_BYTES_MAX + 1)])
    async def test_a_text_that_no_notice_can_have_is_a_programmers_error(self, pair, text):
        with pytest.raises(AssertionError):
            await pair[0].tell_now("news", text)

    async def test_the_longest_text_comes_through(self, pair):
        one, two = pair
        ear = await listening(two)

        await one.tell_now("news", "'" * limits.POSTGRES_NOTICE_BYTES_MAX)
        await two.catch_up()

        assert ear.heard == ["'" * limits.POSTGRES_NOTICE_BYTES_MAX]

    async def test_the_commit_of_a_notice_waits_for_no_disk(self, postgres_server, name):
        connection = await asyncpg.connect(postgres_server.url(name))
        asked = []
        line = PostgresLine(connection, lambda *_: None)
        original = connection.execute

        async def execute(statement, **options):
            asked.append(await connection.fetchval(f"{statement}, current_setting('synchronous_commit')", column=2))
            return await original(statement, **options)

        line._connection = Replaced(connection, execute)
        await line.tell([("news", "")])

        assert asked == ["off"]
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        await line.close()


class Replaced:
    """A connection with another `execute`."""

    def __init__(self, connection, execute):
        self._connection = connection
        self.execute = execute

    def __getattr__(self, name):
        return getattr(self._connection, name)


class TestHearing:
    async def test_after_catching_up_everything_is_heard_that_was_committed(self, pair):
        one, two = pair
        ear = await listening(two)

        for number in range(100):
            await one.tell_now("news", str(number))
            await two.catch_up()
            assert ear.heard[-1] == str(number)

    async def test_who_hears_from_now_on_hears_nothing_earlier(self, pair):
        one, two = pair
        await listening(two)
        for number in range(20):
            await one.tell_now("news", str(number))
            ear = await listening(two)
            await two.catch_up()
            assert ear.heard == []

    async def test_an_application_can_tell_in_its_own_transaction(self, postgres_server, name, pair):
        ear = await listening(pair[1])

        connection = await asyncpg.connect(postgres_server.url(name))
        async with connection.transaction():
            await connection.execute("SELECT pg_notify('news', 'ready')")
            await pair[1].catch_up()
            assert ear.heard == []
        await pair[1].catch_up()
        await connection.close()

        assert ear.heard == ["ready"]

    async def test_who_did_not_wait_until_it_was_listened_is_told_that_it_may_have_missed_something(self, pair):
        one, two = pair
        ear = Ear(two)
        await ear.until(bool)
        later = Ear(two, "other news")
        await later.until(bool)
        await one.tell_now("other news", "x")
        await two.catch_up()

        assert (ear.heard, later.heard) == ([None], [None, "x"])

    async def test_who_has_closed_hears_no_more(self, pair):
        one, two = pair
        ear, other = await listening(two), await listening(two)
        for _ in range(2):
            ear.hearing.close()

        await one.tell_now("news", "x")
        await two.catch_up()

        assert (ear.heard, other.heard) == ([], ["x"])

    async def test_a_call_that_is_cancelled_leaves_the_connection_whole(self, pair):
        one, two = pair
        ear = await listening(two)
        for delay_s in (0.0, 0.0001, 0.0003, 0.001):
            call = asyncio.create_task(two.catch_up())
            await asyncio.sleep(delay_s)
            call.cancel()
            await asyncio.wait([call])

        await one.tell_now("news", "x")
        await two.catch_up()

        assert ear.heard == ["x"]

    async def test_behind_a_pooler_a_process_tells_and_does_not_leave_a_session_listening(
        self, postgres_server, name, open_at
    ):
        direct, pooled = open_at(postgres_server.url(name)), open_at(postgres_server.url(name), statement_cache=0)
        ear, deaf = await listening(direct), await listening(pooled)

        await pooled.tell_now("news", "x")
        await direct.tell_now("news", "y")
        await direct.catch_up()
        await pooled.catch_up()

        assert ear.heard == ["x", "y"]
        assert deaf.heard == ["x"], "its own alone"
        assert await pooled._line._connection.fetch("SELECT pg_listening_channels()") == []


class TestLosingTheConnection:
    async def test_it_is_told_and_found_again(self, postgres_server, name, pair):
        one, two = pair
        await one.ready("news")
        ear = await listening(two)

        with capture_logs() as logs:
            assert postgres_server.terminate_backends(name) == 2
            await ear.until(lambda heard: heard == [None, None])
            await one.tell_now("news", "x")
            await two.catch_up()

        assert ear.heard == [None, None, "x"]
        assert sorted(log["event"] for log in logs) == ["listening_again"] * 2 + ["not_listening"] * 2

    async def test_what_is_told_meanwhile_is_told_once_it_is_back(self, pair):
        one, two = pair
        own, ear, connect = await listening(one), await listening(two), one._database.connect

        async def refused():
            raise ConnectionRefusedError("injected")

        one._database.connect = refused
        one._line.end()
        await own.until(bool)
        for _ in range(3):
            one.tell("news", "x")
        assert own.heard == [None, "x", "x", "x"]
        await two.catch_up()
        assert ear.heard == []
        one._database.connect = connect
        await ear.until(bool)

        assert ear.heard == ["x"]

    async def test_what_was_on_its_way_is_told_again(self, pair, monkeypatch):
        one, two = pair
        ear, tell = await listening(two), PostgresLine.tell
        await one.ready("news")

        async def cut(line, notices):
            monkeypatch.setattr(PostgresLine, "tell", tell)
            line.end()
            raise ConnectionResetError("injected")

        monkeypatch.setattr(PostgresLine, "tell", cut)
        one.tell("news", "x")
        await ear.until(bool)

        assert ear.heard == ["x"]
        assert one.lost == 0

    async def test_meanwhile_whatever_needs_the_server_fails(self, own_server, open_at):
        notices = open_at(own_server.url())
        ear = await listening(notices)
        own_server.kill()
        await ear.until(bool)

        for call in (notices.tell_now("news", "y"), notices.ready("news"), notices.catch_up()):
            with pytest.raises(BusUnavailable):
                await call
        own_server.start()
        await ear.until(lambda heard: heard == [None, None])
        await notices.tell_now("news", "y")

        assert ear.heard == [None, None, "y"]

    async def test_a_server_that_is_down_is_not_asked_all_the_time(self, open_at, monkeypatch):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            notices = open_at(f"postgresql://x@127.0.0.1:{nobody.getsockname()[1]}/x")
            attempts, connect = [], notices._database.connect

            async def counted():
                attempts.append(asyncio.get_running_loop().time())
                return await connect()

            notices._database.connect = counted
            with capture_logs() as logs:
                notices.tell("news")
                await asyncio.sleep(1.0)

            pauses = [later - earlier for earlier, later in itertools.pairwise(attempts)]
            assert 3 <= len(attempts) <= 1 + 1.0 / limits.POSTGRES_RECONNECT_S_MIN / 3
            assert pauses == sorted(pauses)
            assert [log["event"] for log in logs] == ["not_listening"]

    async def test_what_nobody_expected_of_an_attempt_is_told_and_there_is_another(
        self, postgres_server, name, open_at
    ):
        notices = open_at(postgres_server.url(name))
        connect, attempts = notices._database.connect, []

        async def without_threads():
            attempts.append(None)
            if len(attempts) < 3:
                raise RuntimeError("can't start new thread")
            return await connect()

        notices._database.connect = without_threads
        async with asyncio.timeout(IN_TIME_S):
            with capture_logs() as logs:
                for _ in range(2):
                    with pytest.raises(BusUnavailable, match="can't start new thread"):
                        await notices.tell_now("news", "x")
                ear = await listening(notices)
                await notices.tell_now("news", "y")

        assert ear.heard == ["y"]
        assert [log["event"] for log in logs] == [
            "listening_failed", "not_listening", "listening_failed", "listening_again"
        ]  # fmt: skip
        assert all(log["exc_info"] for log in logs if log["event"] == "listening_failed")

    async def test_what_nobody_expected_of_a_connection_ends_it_and_there_is_another(self, pair, monkeypatch):
        one, _ = pair
        ear, catch_up = await listening(one), PostgresLine.catch_up

        async def without_threads(line):
            monkeypatch.setattr(PostgresLine, "catch_up", catch_up)
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(PostgresLine, "catch_up", without_threads)
        line = one._line
        with capture_logs() as logs:
            Ear(one, "other news")  # the connection is asked at once
            await ear.until(lambda heard: heard == [None, None])

        assert line.has_ended.is_set()
        assert [log["event"] for log in logs] == ["not_listening", "listening_failed", "listening_again"]

    async def test_a_server_that_stands_still_is_noticed(self, own_server, open_at, monkeypatch):
        monkeypatch.setattr(limits, "POSTGRES_PROBE_S", 0.2)
        monkeypatch.setattr(limits, "POSTGRES_PROBE_ANSWER_S_MAX", 0.3)
        monkeypatch.setattr(limits, "POSTGRES_CONNECT_S_MAX", 0.3)
        notices = open_at(own_server.url())
        ear = await listening(notices)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.1)  # nothing is under way

        own_server.pause()
        paused_s = loop.time()
        try:
            await ear.until(lambda heard: heard == [None])
            noticed_s = loop.time() - paused_s
        finally:
            own_server.resume()
        await ear.until(lambda heard: heard == [None, None])
        await notices.tell_now("news", "x")

        assert noticed_s < 1.0
        assert ear.heard == [None, None, "x"]


class TestClosing:
    async def test_it_leaves_nothing_behind_and_says_nothing(self, postgres_server, name):
        database = PostgresDatabase(postgres_server.url(name), service="test")
        notices = PostgresNotices(database)
        before = asyncio.all_tasks()
        with capture_logs() as logs:
            await listening(notices)
            notices.tell("news", "last words")
            for _ in range(2):
                await notices.close()
            await database.close()
            notices.tell("news")
            Ear(notices)

        assert logs == []
        assert asyncio.all_tasks() == before
        for _ in range(100):
            if not postgres_server.execute("SELECT FROM pg_stat_activity WHERE datname = $1", name):
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("a connection is left")
        for call in (notices.ready("news"), notices.tell_now("news", ""), notices.catch_up()):
            with pytest.raises(BusUnavailable):
                await call

    @pytest.mark.parametrize("within_s", [0.0, 60.0])
    async def test_what_was_told_last_is_heard(self, pair, within_s):
        one, two = pair
        ear = await listening(two)
        await one.ready("news")

        one.tell("news", "last words", within_s=within_s)
        await one.close()
        await two.catch_up()

        assert ear.heard == ["last words"]

    async def test_it_does_not_wait_for_a_server_that_is_down(self, own_server, open_at):
        notices = open_at(own_server.url())
        await listening(notices)
        waiting = asyncio.create_task(notices.ready("news"))
        own_server.kill()
        notices.tell("news")

        async with asyncio.timeout(IN_TIME_S):
            await notices.close()
            await asyncio.wait([waiting])
        assert waiting.exception() is None or isinstance(waiting.exception(), BusUnavailable)

    @pytest.mark.parametrize("way", ["close", "abandon"])
    async def test_it_can_end_before_it_has_begun(self, postgres_server, name, open_at, way):
        never_used, just_used = open_at(postgres_server.url(name)), open_at(postgres_server.url(name))
        just_used.tell("news")
        for notices in (never_used, just_used):
            ended = getattr(notices, way)()
            if ended is not None:
                await ended
