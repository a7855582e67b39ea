"""What a processor and its child say to each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.job import Outcome
from observatory.processor import child_protocol as protocol
from observatory.processor.context import StopReason, facts_of
from observatory.processor.ending import Ended, error_of
from tests.unit.processor.jobs import executing

TO_CHILD = [
    protocol.Hello("a:b", "c:d", ["/x"]),
    protocol.Run(facts_of(executing()), {"text": "ü\n", "n": [1, None]}, 5),
    protocol.Ask("job-1", 7, StopReason.DRAIN),
]
FROM_CHILD = [
    protocol.Ready(),
    protocol.NotReady(error_of("Broken", "x", "trace")),
    protocol.Done("job-1", 7, Ended(outcome=Outcome.SUCCEEDED, result={"a": [1.5]})),
]


@given(st.lists(st.integers(1, 400)))
def test_messages_arrive_whole_and_in_order_however_the_pipe_cuts_them(cuts: list[int]) -> None:
    stream = b"".join(protocol.framed(message) for message in TO_CHILD)
    frames, bodies = protocol.Frames(), []
    for cut in [*cuts, len(stream)]:
        bodies += frames.feed(stream[:cut])
        stream = stream[cut:]

    assert [protocol.decode_to_child(body) for body in bodies] == TO_CHILD


@pytest.mark.parametrize("message", FROM_CHILD)
def test_an_answer_comes_back_as_it_was_said(message: protocol.FromChild) -> None:
    (body,) = protocol.Frames().feed(protocol.framed(message))

    assert protocol.decode_from_child(body) == message


def test_a_length_above_the_limit_is_not_waited_for() -> None:
    announced = (limits.CHILD_MESSAGE_BYTES_MAX + 1).to_bytes(protocol.LENGTH_BYTES, "big")

    with pytest.raises(ValueError, match="announced"):
        list(protocol.Frames().feed(announced))
