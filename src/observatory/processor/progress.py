"""What a handler may say about how far it is, and the place where the newest of it waits to be recorded."""

import reprlib
from collections.abc import Callable
from typing import cast

import msgspec

from observatory.core import limits, strict_json
from observatory.core.errors import BadJson
from observatory.core.job import JsonObject, Progress


def progress_of(
    fraction: float | None, done: float | None, total: float | None, message: str | None, data: JsonObject | None
) -> Progress:
    """
    The progress that a handler reports by these values. Keeps nothing of *data* that could change later.

    Raises:
        TypeError: A value is not of its kind.
        ValueError: It is out of bounds, cannot be stored, or says nothing.
    """
    if fraction is not None:
        _check_number("fraction", fraction, most=1.0)
        if done is not None or total is not None:
            raise ValueError("progress takes a fraction or done and total, not both")
        fraction = float(fraction)
    elif done is not None:
        fraction = _fraction_of(done, total)
    elif total is not None:
        raise ValueError("total of progress needs done beside it")
    elif message is None and data is None:
        raise ValueError("progress says nothing: give a fraction, done and total, a message or data")
    if message is not None:
        _check_message(message)
    kept = None if data is None else _kept(data)
    return Progress(fraction=fraction, done=done, total=total, message=message, data=kept)


def _fraction_of(done: float, total: float | None) -> float | None:
    """More than the total, as when that was an estimate, is all of it."""
    _check_number("done", done)
    if total is None:
        return None
    _check_number("total", total)
    if total == 0:
        raise ValueError("total of progress is 0; it is a number above 0")
    return min(1.0, done / total)


def _check_number(name: str, value: object, *, most: float = limits.JSON_INTEGER_MAX) -> None:
    if type(value) is bool or not isinstance(value, int | float):
        raise TypeError(f"{name} of progress is {reprlib.repr(value)}; it is a number")
    if not 0 <= value <= most:  # also refuses NaN, which compares with nothing
        raise ValueError(f"{name} of progress is {reprlib.repr(value)}; it is a number from 0 to {most:g}")


def _check_message(message: object) -> None:
    if not isinstance(message, str):
        raise TypeError(f"message of progress is {reprlib.repr(message)}; it is a text")
    try:
        size = len(message.encode())
    except UnicodeEncodeError:
        raise ValueError("message of progress has half a surrogate pair, which is no text") from None
    if size > limits.PROGRESS_MESSAGE_BYTES_MAX or "\0" in message:
        bound = limits.PROGRESS_MESSAGE_BYTES_MAX
        raise ValueError(f"message of progress has {size} bytes; it has at most {bound}, and no U+0000")


def _kept(data: object) -> JsonObject:
    if not isinstance(data, dict):
        raise TypeError(f"data of progress is {reprlib.repr(data)}; it is a dict")
    try:
        text = strict_json.canonical(msgspec.to_builtins(data, str_keys=True))
        kept = cast("JsonObject", strict_json.decode(text))
    except BadJson as error:
        raise ValueError(f"data of progress cannot be kept: {error.pointer}: {error.detail}") from None
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise ValueError(f"data of progress has no JSON form: {error}") from None
    if len(text) > limits.PROGRESS_DATA_BYTES_MAX:
        raise ValueError(f"data of progress has {len(text)} bytes; at most {limits.PROGRESS_DATA_BYTES_MAX} are kept")
    return kept


class LatestProgress:
    """
    The newest progress of one attempt: a later one replaces it, however many there are.

    `put` may be called by any thread; everything else belongs to one.

    Args:
        on_news: Called by `put`, once until `take`.
    """

    def __init__(self, on_news: Callable[[], object] | None = None) -> None:
        self.on_news = on_news
        self.recorded: Progress | None = None
        """What the store has."""
        self._newest: Progress | None = None
        self._is_told = False

    def put(self, progress: Progress) -> None:
        self._newest = progress
        if not self._is_told:
            self._is_told = True
            if self.on_news is not None:
                self.on_news()

    @property
    def has_news(self) -> bool:
        """Whether the store lacks the newest."""
        return self._newest is not None and self._newest != self.recorded

    def take(self) -> Progress | None:
        """The newest, if the store does not have it. What is put from now on is news again."""
        self._is_told = False  # before the look: what is put between the two is told once more, not lost
        return self._newest if self.has_news else None
