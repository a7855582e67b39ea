"""Who in this process hears which channel."""

from collections.abc import Callable

Heard = Callable[[str | None], None]
"""Called in the loop with the text of a notice; with None when any number of them may have been missed."""


class Hearing:
    """Somebody who hears one channel."""

    def __init__(self, hearings: "Hearings", channel: str, heard: Heard) -> None:
        self.channel = channel
        self.heard = heard
        self._hearings = hearings

    def close(self) -> None:
        """Call back no more. Safe to call twice."""
        self._hearings.remove(self)


class Hearings:
    """All of them. One that is called may add or close any."""

    def __init__(self) -> None:
        self._all: list[Hearing] = []

    def add(self, channel: str, heard: Heard) -> Hearing:
        """Call *heard* with whatever is given on *channel*."""
        hearing = Hearing(self, channel, heard)
        self._all = [*self._all, hearing]
        return hearing

    def remove(self, hearing: Hearing) -> None:
        """Call it back no more."""
        self._all = [one for one in self._all if one is not hearing]

    def channels(self) -> set[str]:
        """Those that somebody hears."""
        return {hearing.channel for hearing in self._all}

    def give(self, channel: str, text: str | None) -> None:
        """To everybody who hears *channel*."""
        for hearing in self._all:
            if hearing.channel == channel:
                hearing.heard(text)

    def miss(self) -> None:
        """Tell everybody that something may have been missed."""
        for hearing in self._all:
            hearing.heard(None)
