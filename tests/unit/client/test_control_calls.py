"""What both clients ask about queues, many jobs and dead letters, without a network."""

import inspect
import json

import pytest

from observatory.client import calls, control_calls
from observatory.client.api import Api
from observatory.client.async_api import AsyncApi
from observatory.core.errors import Refused

JOB = "0197a000-0000-7000-8000-00000000000a"


def body(call):
    return None if call.body is None else json.loads(call.body)


def test_a_pause_says_only_what_is_known():
    call = control_calls.pause_queue("mail", "ada", None)

    assert (call.service, call.method, call.path, body(call)) == (
        "gateway",
        "POST",
        "/queues/mail/pause",
        {"by": "ada"},
    )


def test_a_limit_is_lifted_by_null():
    assert body(control_calls.limit_queue("mail", None)) == {"concurrencyMax": None}
    assert body(control_calls.limit_queue("mail", 3)) == {"concurrencyMax": 3}


@pytest.mark.parametrize(
    ("name", "path"),
    [("a/b", "a%2Fb"), ("a b", "a%20b"), ("ä?#", "%C3%A4%3F%23"), ("..", "%2E%2E"), (".", "%2E"), ("a.b", "a.b")],
)
def test_whatever_is_typed_as_a_queue_stays_one_part_of_the_path(name, path):
    assert control_calls.resume_queue(name).path == f"/queues/{path}/resume"


def test_what_cannot_be_sent_is_refused():
    with pytest.raises(Refused, match="not Unicode"):
        control_calls.resume_queue("\udcff")
    with pytest.raises(Refused):
        calls.retry(JOB, "two\nlines")
    with pytest.raises(Refused, match="not the id of a job"):
        control_calls.redrive("..")


def test_a_bulk_action_is_sent_in_the_words_of_the_contract():
    call = control_calls.retry_jobs(
        filter={"type": "t"}, all=False, dry_run=True, operation_id="op", cursor=None, count_max=5
    )

    assert call.path == "/jobs/retry"
    assert body(call) == {"filter": {"type": "t"}, "all": False, "dryRun": True, "operationId": "op", "limit": 5}
    assert body(control_calls.cancel_jobs(all=True)) == {"all": True}


def test_a_key_goes_into_the_header():
    assert calls.retry(JOB, "k").headers == {"Idempotency-Key": "k"}
    assert calls.retry(JOB, None).headers == {}


def test_dead_letters_are_asked_of_the_gateway():
    call = control_calls.dead_letters(error_type="ValueError", count_max=5)

    assert (call.service, call.path, call.params) == (
        "gateway", "/dead-letters", {"errorType": "ValueError", "limit": "5"}
    )  # fmt: skip
    assert control_calls.redrive(JOB).path == f"/dead-letters/{JOB}/redrive"


@pytest.mark.parametrize(
    "name",
    ["retry", "pause_queue", "resume_queue", "limit_queue", "cancel_jobs", "retry_jobs", "redrive", "dead_letters"],
)
def test_both_clients_take_the_same(name):
    assert inspect.signature(getattr(Api, name)) == inspect.signature(getattr(AsyncApi, name))
