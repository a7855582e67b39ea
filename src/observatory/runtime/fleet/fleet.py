"""All roles of one host: begun side by side, kept running, and ended together."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from observatory.core.sources import Clock, Randomness
from observatory.runtime.fleet.child import Child, ChildSpec
from observatory.runtime.step import Step

Say: TypeAlias = Callable[[Step], None]


@dataclass(frozen=True, kw_only=True)
class Member:
    """One role, as people see it."""

    step: Step
    """What is said once it is ready."""
    spec: ChildSpec


class Fleet:
    """
    The processes of *members*.

    Args:
        say: Told of each member once, in their order, when it is ready for the first time; and what one writes on its
            standard output beside its own steps.
    """

    def __init__(self, members: Sequence[Member], *, say: Say, clock: Clock, randomness: Randomness) -> None:
        self._say = say
        self._members = members
        self._waiting = {member.spec.name for member in members}
        self.ready = asyncio.Event()
        """Set once every member was ready."""
        self._child_by_name = {
            member.spec.name: Child(member.spec, say=self._hearing(member), clock=clock, randomness=randomness)
            for member in members
        }
        self.children = list(self._child_by_name.values())

    async def run(self, stop: asyncio.Event) -> None:
        """
        Keep all of them running until *stop* is set; when this returns or raises, no process is left.

        Raises:
            RoleRefused: One cannot run with its settings and never could; the others were stopped.
        """
        over = asyncio.Event()
        passing_on = asyncio.create_task(_pass_on(stop, over))
        try:
            ends = await asyncio.gather(*(self._keep(child, over) for child in self.children), return_exceptions=True)
        finally:
            passing_on.cancel()
        for end in ends:
            if end is not None:
                raise end

    async def _keep(self, child: Child, over: asyncio.Event) -> None:
        try:
            await child.run(over)
        finally:
            over.set()

    def _hearing(self, member: Member) -> Callable[[bytes], None]:
        """Understands what a role says of itself; the rest was written by a handler's own means."""

        def hear(line: bytes) -> None:
            try:
                step = msgspec.json.decode(line, type=Step)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._say(Step(member.spec.name, line.decode("utf-8", "replace"), kind="note"))
                return
            if step.kind == "warn":
                self._say(Step(member.spec.name, step.text, step.detail, kind="warn"))
            elif step.text.startswith("ready in "):
                self._note_ready(member)

        return hear

    def _note_ready(self, member: Member) -> None:
        self._child_by_name[member.spec.name].was_ready = True
        self._waiting.discard(member.spec.name)
        if not self._waiting and not self.ready.is_set():
            for each in self._members:
                self._say(each.step)
            self.ready.set()


async def _pass_on(stop: asyncio.Event, over: asyncio.Event) -> None:
    await stop.wait()
    over.set()
