"""Does each call of the clients lead to a route that the services document, with parameters that it takes?"""

import inspect
import json
from pathlib import Path

import pytest

from observatory.client import calls, log_calls, view_calls
from observatory.client.api import Api
from observatory.client.async_api import AsyncApi
from observatory.client.calls import Call
from observatory.client.following import Following

OPENAPI = Path(__file__).parents[3] / "contracts" / "openapi"
JOB_ID = "01900000-0000-7000-8000-00000000abcd"
EVERY_CALL = [
    calls.submit({"type": "example"}, "key"),
    calls.submit_portion([{"type": "example"}]),
    calls.cancel(JOB_ID),
    calls.job(JOB_ID),
    calls.explain(JOB_ID),
    calls.jobs(status="FAILED", type="a", queue="b", correlation_id="c", cursor="d", count_max=1),
    calls.recent(1),
    calls.events(job_id=JOB_ID, cursor="d", count_max=1),
    calls.job_events(JOB_ID, "d"),
    log_calls.attempt_log(JOB_ID, 1),
    Following(after=1, job_id=JOB_ID, event_type="job.failed", job_type="a").call(),
    calls.STATS,
    calls.QUEUES,
    calls.WORKERS,
    calls.TYPES,
    calls.INDEX,
    view_calls.REBUILD_STATS,
]


@pytest.mark.parametrize("call", EVERY_CALL, ids=lambda call: f"{call.method} {call.path}")
def test_every_call_leads_to_a_documented_route(call: Call) -> None:
    service = call.service.replace("_", "-")
    paths = json.loads((OPENAPI / f"{service}.json").read_text(encoding="utf-8"))["paths"]

    operation = paths[call.path.replace(JOB_ID, "{job_id}")][call.method.lower()]

    known = {parameter["name"] for parameter in operation["parameters"]}
    assert call.params.keys() | call.headers.keys() - {"Content-Type", "Accept"} <= known


def test_both_clients_ask_the_same_with_the_same_words() -> None:
    def methods(client: type) -> dict[str, list[str]]:
        public = {name: one for name, one in vars(client).items() if inspect.isfunction(one) and name[0] != "_"}
        return {name: list(inspect.signature(one).parameters) for name, one in public.items()}

    assert methods(Api) == methods(AsyncApi)


def test_a_filter_that_does_not_exist_is_refused_and_not_left_out() -> None:
    with pytest.raises(TypeError, match="stauts"):
        calls.jobs(stauts="FAILED")
