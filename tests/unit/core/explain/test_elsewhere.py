"""Is it known of each loop that some process has to run whether one runs it, and which one should?"""

from datetime import timedelta
from typing import Any

import pytest

from observatory.core import limits
from observatory.core.explain.elsewhere import SHARED_LOOPS, down_elsewhere, relay_behind
from observatory.core.worker import Down, WorkerInfo
from observatory.testing.manual_sources import BEGINNING
from tests.unit.core.explain.situations import worker

FAILS = (Down(name="rescuer", reason="loop_fails"),)


def process(name: str = "one", **changes: Any) -> WorkerInfo:
    return worker(name, **({"role": "maintenance", "loops": SHARED_LOOPS, "slots": 0, "types": ()} | changes))


@pytest.mark.parametrize(
    ("processes", "reason"),
    [
        ([process()], None),
        ([process(age_s=limits.LEASE_S)], None),
        ([process(age_s=limits.LEASE_S + 0.1)], "not_heard_of"),
        ([process(is_draining=True)], "draining"),
        ([process(is_draining=True, age_s=limits.LEASE_S + 0.1)], "not_heard_of"),
        ([process(is_draining=True), process("two", age_s=5.0)], None),
        ([process(is_draining=True), process("two", down=FAILS, age_s=5.0)], "loop_fails"),
        ([process(age_s=limits.LEASE_S + 0.1), process("two", is_draining=True, age_s=5.0)], "draining"),
        ([process(down=FAILS)], "loop_fails"),
        ([process(down=FAILS), process("two", age_s=5.0)], None),
        ([process(down=FAILS), process("two", age_s=60.0)], "loop_fails"),
        ([process(loops=("relay",))], "never_announced"),
        ([worker()], "never_announced"),
        ([], "never_announced"),
    ],
)
def test_one_process_that_runs_it_as_it_should_is_enough(processes: list[WorkerInfo], reason: str | None) -> None:
    down = {one.name: one for one in down_elsewhere(processes, BEGINNING)}

    assert (down["rescuer"].reason if "rescuer" in down else None) == reason


def test_the_process_that_was_heard_of_last_is_named() -> None:
    gone = [process("new", age_s=20.0, pid=8), process("old", age_s=30.0)]

    [one, *_] = down_elsewhere(gone, BEGINNING)

    assert (one.role, one.instance_id, one.pid, one.heartbeat_age_seconds) == ("maintenance", "new", 8, 20.0)


def test_of_its_own_loops_a_process_asks_nobody() -> None:
    assert [one.name for one in down_elsewhere([], BEGINNING, here=SHARED_LOOPS[1:])] == [SHARED_LOOPS[0]]


def test_a_relay_is_behind_once_an_event_waits_for_longer_than_any_look_takes() -> None:
    late = BEGINNING + timedelta(seconds=limits.EXPLAIN_RELAY_LATE_S)

    assert relay_behind(None, late) is None
    assert relay_behind(BEGINNING, late) is None
    found = relay_behind(BEGINNING, late + timedelta(seconds=1))
    assert found == Down(name="relay", reason="behind", behind_seconds=limits.EXPLAIN_RELAY_LATE_S + 1)
