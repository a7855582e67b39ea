"""The picture that `watch` shows in a terminal: pure, from what was heard to lines."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from observatory.cli.output import STATUS_STYLES, cell
from observatory.client.following import Heard
from observatory.core.job import JsonObject

if TYPE_CHECKING:
    from rich.text import Text

ROWS_MAX: Final = 20
OTHER_LINES: Final = 7
"""Of the picture beside its events, with a line left free below."""
FRESH_S: Final = 2.0
"""Up to this age a number is shown as being of now: figures that move all the time are not calm."""


class Watched:
    """
    What is known at one moment. Seconds are monotonic.

    Args:
        of: What is watched, in words.
    """

    def __init__(self, of: str, now_s: float) -> None:
        self._of = of
        self._events: deque[JsonObject] = deque(maxlen=ROWS_MAX)
        self._position: int | None = None
        self._is_connected = False
        self._lost_s: float | None = None
        self._lost_by = ""
        self._note = ""
        self._stats: JsonObject | None = None
        self._stats_s = now_s

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    def hear(self, heard: Heard, now_s: float) -> None:
        self._position = heard.position
        match heard.kind:
            case "job":
                self._events.append(heard.event or {})
            case "resync":
                self._note = f"events before position {heard.position} were left out ({heard.reason})"
            case "lost":
                self._is_connected = False
                self._lost_s = now_s if self._lost_s is None else self._lost_s
                self._lost_by = heard.reason or "the connection broke"
            case "connected":
                self._is_connected = True
                self._lost_s = None
            case _:
                pass

    def count(self, stats: JsonObject, now_s: float) -> None:
        """The newest answer of `/stats`."""
        self._stats, self._stats_s = stats, now_s

    def lines(self, now_s: float, *, height: int) -> "Iterator[Text]":
        """The picture, one line each."""
        from rich.text import Text

        yield self._state(now_s)
        yield self._counts(now_s)
        yield Text("")
        rows = list(self._events)[-max(1, min(ROWS_MAX, height - OTHER_LINES)) :]
        if not rows:
            yield Text("no event yet", style="dim")
        for event in rows:
            yield _row(event)
        if self._note:
            yield Text(cell(self._note, bytes_max=200), style="yellow")
        yield Text("")
        yield Text("Ctrl-C ends", style="dim")

    def _state(self, now_s: float) -> "Text":
        from rich.text import Text

        text = Text(f"watching {cell(self._of)}", style="bold", no_wrap=True, overflow="ellipsis")
        if self._is_connected:
            text.append("  live", style="not bold green")
        elif self._lost_s is None:
            text.append("  connecting", style="not bold")
        else:
            text.append(f"  connection lost {_age(now_s - self._lost_s)}", style="red")
        if self._position is not None:
            text.append(f"  position {self._position}", style="not bold")
        if self._lost_s is not None:
            text.append(f"  {cell(self._lost_by, bytes_max=200)}", style="not bold")
        return text

    def _counts(self, now_s: float) -> "Text":
        from rich.text import Text

        if self._stats is None:
            return Text("no counts yet", style="dim")
        by_status = cast("dict[str, Any]", self._stats.get("byStatus") or {})
        text = Text(f"{cell(self._stats.get('totalJobs'))} jobs")
        for status, count in by_status.items():
            if not count:
                continue
            text.append("  ")
            text.append(cell(status), style=STATUS_STYLES.get(status, ""))
            text.append(f" {cell(count)}")
        age_s = now_s - self._stats_s
        if age_s > FRESH_S:
            text.append(f"   as of {_age(age_s)}", style="yellow")
        if self._stats.get("lag"):
            text.append(f"   {cell(self._stats['lag'])} events behind", style="yellow")
        return text


def event_cells(event: JsonObject) -> tuple[str, ...]:
    """Position, instant, event, job, type and status of an envelope, each made harmless."""
    payload = event.get("payload")
    words = cast("JsonObject", payload) if isinstance(payload, dict) else {}
    names = (event.get("position"), event.get("occurredAt"), event.get("eventType"), event.get("jobId"))
    return tuple(cell(value) for value in (*names, words.get("type"), words.get("status")))


def _row(event: JsonObject) -> "Text":
    from rich.text import Text

    position, at, kind, job, job_type, status = event_cells(event)
    text = Text(f"{position:>8}  {at[11:] or at}  ", no_wrap=True, overflow="ellipsis")
    text.append(f"{status:<10}", style=STATUS_STYLES.get(status, ""))
    text.append(f"  {kind:<20}  {job}  {job_type}")
    return text


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 7200 else f"{seconds / 3600:.0f} h ago"
