"""One line of what a starting or stopping process tells the person who started it."""

from typing import Literal

import msgspec

StepKind = Literal["ok", "warn", "note"]


class Step(msgspec.Struct, frozen=True):
    """Something that was reached."""

    name: str
    """One or two words: `gateway`, `read model`. Empty for a line that belongs to no part."""
    text: str
    """What a person wants to know of it: an address, a path, a count."""
    detail: str = ""
    """A second thing, shown dimmed behind the text."""
    kind: StepKind = "ok"
