"""Who decides how a job is to be run."""

import pytest

from observatory.core import limits
from observatory.core.handler import TypeInfo
from observatory.core.options import Options, options_of
from observatory.core.schedule import ScheduleDefinition

TYPE = TypeInfo(type="t", runs_in="async", max_attempts=7, timeout_seconds=9.0, payload_schema={})
SAID = ScheduleDefinition(type="t", queue="mail", priority=0, max_attempts=1, timeout_seconds=0.5)
NOTHING = ScheduleDefinition(type="t")


@pytest.mark.parametrize(
    ("asked", "info", "expected"),
    [
        (SAID, TYPE, Options("mail", 0, 1, 0.5)),
        (SAID, None, Options("mail", 0, 1, 0.5)),
        (NOTHING, TYPE, Options("default", limits.PRIORITY_DEFAULT, 7, 9.0)),
        (NOTHING, None, Options("default", limits.PRIORITY_DEFAULT, limits.ATTEMPTS_DEFAULT, limits.TIMEOUT_S_DEFAULT)),
    ],
)
def test_the_submitter_goes_before_the_type_and_that_before_the_limits(asked, info, expected):
    assert options_of(asked, info) == expected
