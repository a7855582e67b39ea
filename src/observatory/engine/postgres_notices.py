"""
Notices between the processes on one PostgreSQL database: a channel and a short text.

A notice only says that there is something to look for. It may be lost with a connection, so whoever waits for one also
looks by itself now and then. Behind a pooler that gives each transaction another connection a process hears nothing of
others, and looks; what it tells is heard by those that have connections of their own.
"""

import asyncio
import contextlib

import structlog

from observatory.core import limits
from observatory.core.errors import BusUnavailable
from observatory.engine.postgres_database import PostgresDatabase, translated
from observatory.engine.postgres_hearings import Heard, Hearing, Hearings
from observatory.engine.postgres_line import PostgresLine, open_line

COMMITTED = "odd_committed"
"""Events were staged by a transaction that is committed. No text."""
HINTS = "odd_hints"
"""The text is the value of a hint of the bus."""
EVENTS = "odd_events"
"""Events were published: the text is their first and last position, as `17-42`."""

_log = structlog.get_logger("observatory.postgres")


class PostgresNotices:
    """
    What one process tells the others, and hears from them, over one connection of its own.

    It connects when it is first used, and again by itself when the connection is lost. Both the loss and the return
    are given to everybody who hears, as None. Every method belongs into the loop; errors of what raises:
    `BusUnavailable`.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        self.lost = 0
        """Notices of `tell` that the server refused."""
        self._database = database
        self._hearings = Hearings()
        self._untold: dict[tuple[str, str], None] = {}
        self._line: PostgresLine | None = None
        self._attempt: asyncio.Future[BusUnavailable | None] | None = None
        """What became of the attempt to connect that is under way or comes next."""
        self._has_news = asyncio.Event()
        """Set when a channel may have to be listened to."""
        self._keeper: asyncio.Task[None] | None = None
        self._teller: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None
        """Until it, what is untold may wait for more."""
        self._is_closed = False
        self._is_cut_off = False
        """True from the loss of the connection, or an attempt that failed, to the next one that does not."""

    # --- hearing ------------------------------------------------------------------------------

    def hear(self, channel: str, heard: Heard) -> Hearing:
        """
        Call *heard* with every notice on *channel*, soon; returns at once, and never fails.

        What others tell is heard for certain from the end of a `ready` that came before, or else from the first None.
        What this process tells is heard once, right away.
        """
        hearing = self._hearings.add(channel, heard)
        self._begin()
        self._has_news.set()
        return hearing

    async def ready(self, channel: str) -> None:
        """Return when every notice that others tell on *channel* from now on will be heard, and no earlier one."""
        with translated(BusUnavailable):
            line = await self._connected()
            await self._listen(line, channel)
            await line.catch_up()
        if line is not self._line:
            raise BusUnavailable("PostgreSQL: the connection that listens was lost")

    async def catch_up(self) -> None:
        """Return when every notice was heard whose transaction was committed before the call."""
        if (line := self._live) is None:
            raise BusUnavailable("PostgreSQL: the connection that listens was lost")
        with translated(BusUnavailable):
            await line.catch_up()

    # --- telling ------------------------------------------------------------------------------

    def tell(self, channel: str, text: str = "", *, within_s: float = 0.0) -> None:
        """
        Tell everybody who hears *channel*, soon; returns at once, and never fails.

        The same notice many times, while an earlier one is on its way, counts as one. While there is no connection it
        waits for the next one. Only for few different texts.

        Args:
            within_s: How long it may wait for others to be told with it: each message costs the server a transaction.
        """
        if self._is_closed:
            return
        self._hearings.give(channel, text)
        self._untold[channel, text] = None
        self._begin()
        if not within_s:
            self._go_on_telling()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(within_s, self._go_on_telling)

    async def tell_now(self, channel: str, text: str) -> None:
        """Tell everybody who hears *channel*; returns when the server has taken it. After an error it may have."""
        with translated(BusUnavailable):
            line = await self._connected()
            await line.tell([(channel, text)])
        self._hearings.give(channel, text)

    def _go_on_telling(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._untold and self._live is not None and (self._teller is None or self._teller.done()):
            self._teller = asyncio.ensure_future(self._tell_all())

    async def _tell_all(self) -> None:
        while self._untold and (line := self._live) is not None:
            notices, self._untold = self._untold, {}
            try:
                with translated(BusUnavailable):
                    await line.tell(notices)
            except BusUnavailable as error:
                if line.has_ended.is_set():
                    self._untold = notices | self._untold
                    return  # until there is another line
                self.lost += len(notices)
                _log.warning("notices_lost", count=len(notices), reason=str(error))

    # --- the connection -----------------------------------------------------------------------

    async def close(self) -> None:
        """Tell what is untold, if the server answers, and end. Safe to call twice."""
        self._is_closed = True
        self._go_on_telling()
        if self._teller is not None:
            await asyncio.wait([self._teller], timeout=limits.POSTGRES_GOODBYE_S_MAX)
        for task in (self._teller, self._keeper):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        self._settle(None)
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    def abandon(self) -> None:
        """Close the connection at once, as a kill would."""
        self._is_closed = True
        if self._later is not None:
            self._later.cancel()
        for task in (self._teller, self._keeper):
            if task is not None:
                task.cancel()
        self._settle(None)
        line, self._line = self._line, None
        if line is not None:
            line.end()

    def _begin(self) -> None:
        if self._keeper is None and not self._is_closed:
            self._keeper = asyncio.ensure_future(self._keep())

    @property
    def _live(self) -> PostgresLine | None:
        return None if self._line is None or self._line.has_ended.is_set() else self._line

    async def _connected(self) -> PostgresLine:
        """The line; waits for the attempt that is under way, or the next one."""
        self._begin()
        if self._live is None and not self._is_closed:
            if self._attempt is None:
                self._attempt = asyncio.get_running_loop().create_future()
            error = await asyncio.shield(self._attempt)
            if error is not None:
                raise BusUnavailable(str(error))
        if (line := self._live) is None:
            raise BusUnavailable("PostgreSQL: no longer listening")
        return line

    async def _keep(self) -> None:
        """
        Connect again and again, with growing pauses while that fails, until it is cancelled.

        Whatever goes wrong is an attempt that failed: nobody begins this anew, and who tells waits for it.
        """
        pause_s = limits.POSTGRES_RECONNECT_S_MIN
        while True:
            try:
                with translated(BusUnavailable):
                    line = await open_line(self._database, self._hearings.channels, self._hearings.give)
                await self._use(line)
            except Exception as error:  # noqa: BLE001 — logged in there, with its traceback
                self._fail(error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, limits.POSTGRES_RECONNECT_S_MAX)
            else:
                pause_s = limits.POSTGRES_RECONNECT_S_MIN
                await asyncio.sleep(pause_s)

    def _fail(self, error: Exception) -> None:
        """To be called while *error* is handled."""
        if not isinstance(error, BusUnavailable):
            _log.exception("listening_failed")
            error = BusUnavailable(f"PostgreSQL: cannot listen: {type(error).__name__}: {error}")
        self._settle(error)

    async def _use(self, line: PostgresLine) -> None:
        """Return when *line* has ended, as it also has after an error."""
        if self._is_cut_off:
            self._is_cut_off = False
            _log.info("listening_again")
        self._line = line
        self._settle(None)
        try:
            self._hearings.miss()
            self._go_on_telling()
            await self._attend(line)
        except Exception:
            self._part_from(line)
            raise
        self._part_from(line)

    def _part_from(self, line: PostgresLine) -> None:
        self._line = None
        line.end()
        self._cut_off("the connection was lost")
        self._hearings.miss()

    def _cut_off(self, reason: str) -> None:
        if not self._is_cut_off:
            self._is_cut_off = True
            _log.warning("not_listening", reason=reason)

    async def _listen(self, line: PostgresLine, channel: str) -> None:
        """Whoever hears *channel* already may have missed something."""
        if await line.listen(channel):
            self._hearings.give(channel, None)

    async def _attend(self, line: PostgresLine) -> None:
        """Return when *line* has ended. It is asked now and then, and listens to the channels that come new."""
        with contextlib.suppress(BusUnavailable), translated(BusUnavailable):
            while not line.has_ended.is_set():
                self._has_news.clear()
                for channel in self._hearings.channels() - line.channels:
                    await self._listen(line, channel)
                await line.catch_up()
                await line.rest(self._has_news)

    def _settle(self, error: BusUnavailable | None) -> None:
        if error is not None:
            self._cut_off(str(error))
        attempt, self._attempt = self._attempt, None
        if attempt is not None and not attempt.done():
            attempt.set_result(error)
