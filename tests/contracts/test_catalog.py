import re
from typing import Any

import jsonschema
import pytest

from observatory import contracts
from observatory.contracts import catalog
from observatory.core import limits
from observatory.core.errors import Refused
from observatory.core.event import CONTRACT_VERSION, EventType
from observatory.core.explain.explanation import Code
from observatory.core.handler import Isolation
from observatory.core.job import JobStatus, Outcome
from observatory.core.schedule import Fate, Missed, Reason
from tests.contracts.cases import CONTRACTS

SCHEMAS = sorted(catalog.schemas_by_id())
SEMVER = r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"


def _objects(node: Any):
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from _objects(value)


@pytest.mark.parametrize("urn", SCHEMAS)
def test_every_schema_is_valid_and_names_itself(urn):
    document = catalog.schemas_by_id()[urn]

    jsonschema.Draft202012Validator.check_schema(document)

    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert re.fullmatch(SEMVER, document["$version"])
    assert urn.startswith(catalog.URN_PREFIX)
    assert urn.endswith(f":{document['$version']}")
    assert document["title"]
    assert document["description"]


def test_versions_page_lists_exactly_the_schemas_with_their_files():
    page = (CONTRACTS / "VERSIONS.md").read_text()

    listed = re.findall(rf"^\| ([a-z-]+) \| ({SEMVER}) \| `(\S+)` \| `(\S+)` \|$", page, re.MULTILINE)

    assert {row[5] for row in listed} == set(SCHEMAS)
    assert len(listed) == len(SCHEMAS)
    for name, version, *_, urn, file in listed:
        assert contracts.schema_id(name, version) == urn
        assert f'"$id": "{urn}"' in (CONTRACTS / file).read_text()


def test_newest_version_lies_under_the_plain_name():
    for name in contracts.names():
        assert f'"$id": "{contracts.schema_id(name)}"' in (CONTRACTS / "schemas" / f"{name}.json").read_text()


def test_definitions_of_one_name_are_the_same_in_every_newest_schema():
    seen: dict[str, Any] = {}
    for name in contracts.names():
        for key, rule in contracts.schema(name).get("$defs", {}).items():
            assert seen.setdefault(key, rule) == rule, f"{key} of {name}"


def test_every_form_has_its_words():
    for urn, document in catalog.schemas_by_id().items():
        for node in _objects(document):
            if isinstance(node.get("pattern"), str) or isinstance(node.get("format"), str) or "oneOf" in node:
                assert node.get("x-rule", "").startswith("must "), f"{node} in {urn}"


def test_no_schema_forbids_unknown_fields():
    for urn, document in catalog.schemas_by_id().items():
        for node in _objects(document):
            assert node.get("additionalProperties") is not False, urn
            assert node.get("unevaluatedProperties") is not False, urn


def test_known_values_are_those_of_the_code():
    def known(name, key, version=None):
        return contracts.schema(name, version)["$defs"][key]["x-known-values"]

    assert known("job", "status") == list(JobStatus)
    assert known("event-envelope", "status") == list(JobStatus)
    assert known("event-envelope", "eventType") == list(EventType)
    assert known("event-envelope", "outcome") == list(Outcome)
    runs_in = contracts.schema("type-list")["properties"]["items"]["items"]["properties"]["runsIn"]
    assert runs_in["x-known-values"] == list(Isolation)
    assert known("explanation", "explainCode") == list(Code)
    assert known("tick-list", "fate") == list(Fate)
    assert known("tick-list", "tickReason") == list(Reason)
    assert known("schedule", "missed") == list(Missed)
    assert contracts.schema("schedule-request")["$defs"]["missedPolicy"]["enum"] == list(Missed)
    assert known("job", "status", "1.0.0") == ["PENDING", "VALIDATED", "EXECUTING", "COMPLETED", "FAILED"]
    assert set(known("event-envelope", "eventType", "1.0.0")) == {
        "job.created",
        "job.validated",
        "job.executed",
        "job.failed",
        "job.completed",
    }


def test_bounds_are_those_of_the_code():
    request = contracts.schema("job-request")["$defs"]
    assert request["priority"]["minimum"] == limits.PRIORITY_MIN
    assert request["priority"]["maximum"] == limits.PRIORITY_MAX
    assert request["maxAttempts"]["maximum"] == limits.ATTEMPTS_MAX
    assert request["timeoutSeconds"]["maximum"] == limits.TIMEOUT_S_MAX
    assert request["jobType"]["pattern"].endswith(f"{{0,{limits.JOB_TYPE_CHARS_MAX - 1}}}$")
    assert request["queueName"]["pattern"].endswith(f"{{0,{limits.QUEUE_NAME_CHARS_MAX - 1}}}$")
    assert request["idempotencyKey"]["pattern"].endswith(f"{{1,{limits.IDEMPOTENCY_KEY_CHARS_MAX}}}$")
    assert contracts.schema("job-batch-request")["maxItems"] == limits.BATCH_JOBS_MAX
    assert contracts.schema("event-batch")["properties"]["events"]["maxItems"] == limits.RELAY_BATCH_MAX
    assert contracts.schema("problem")["properties"]["errors"]["maxItems"] == limits.VIOLATIONS_MAX
    assert contracts.schema("job")["$defs"]["progress"]["properties"]["message"]["maxLength"] == (
        limits.PROGRESS_MESSAGE_BYTES_MAX
    )
    assert contracts.schema("job-list")["$defs"]["cursor"]["maxLength"] == limits.CURSOR_CHARS_MAX
    assert contracts.schema("job-list")["properties"]["items"]["maxItems"] >= limits.PAGE_ITEMS_MAX
    schedule = contracts.schema("schedule-request")["$defs"]
    assert schedule["cron"]["maxLength"] == limits.CRON_CHARS_MAX
    assert schedule["timezone"]["maxLength"] == limits.TIMEZONE_CHARS_MAX
    assert schedule["missedMax"]["maximum"] == limits.SCHEDULE_CATCH_UP_MAX
    assert contracts.schema("schedule")["$defs"]["scheduleName"]["pattern"].endswith(
        f"{{0,{limits.SCHEDULE_NAME_CHARS_MAX - 1}}}$"
    )
    assert contracts.schema("schedule-preview")["properties"]["items"]["maxItems"] == limits.UPCOMING_MAX
    assert contracts.versions("event-envelope")[-1] == CONTRACT_VERSION
    setting = contracts.schema("queue-setting")["$defs"]
    assert setting["concurrencyMax"]["maximum"] == limits.QUEUE_CONCURRENCY_MAX
    assert setting["actor"]["pattern"].endswith(f"{{1,{limits.ACTOR_CHARS_MAX}}}$")
    assert setting["reason"]["pattern"].endswith(f"{{1,{limits.REASON_CHARS_MAX}}}$")
    evidence = contracts.schema("explanation")["properties"]["evidence"]["properties"]
    assert {evidence[name]["maxItems"] for name in ("leasedJobs", "processors")} == {limits.EXPLAIN_NAMED_MAX}
    bulk = contracts.schema("bulk-request")["properties"]
    assert bulk["limit"]["maximum"] == limits.BULK_JOBS_MAX
    assert str(limits.BULK_JOBS_DEFAULT) in bulk["limit"]["description"]
    assert bulk["operationId"]["pattern"].endswith(f"{{1,{limits.OPERATION_ID_CHARS_MAX}}}$")
    assert bulk["filter"]["properties"]["errorType"]["maxLength"] == limits.ERROR_TYPE_CHARS_MAX


def test_unknown_schema_and_unknown_version_are_refused_with_what_there_is():
    with pytest.raises(Refused, match=r"there are .*job-request") as no_name:
        contracts.schema("jobs")
    with pytest.raises(Refused, match=r"there are 1\.0\.0, 1\.1\.0") as no_version:
        contracts.schema("job", "9.9.9")

    assert no_name.value.code == no_version.value.code == "unknown_schema"
