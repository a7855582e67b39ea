"""Each fault is planted by SQL in a copy of a healthy database; the audit names it and its job."""

import asyncio
from pathlib import Path

import pytest

from observatory.core import limits
from observatory.core.command import Succeed
from tests.unit.audit.conftest import Plant, audit, found
from tests.unit.audit.populated import Populated, World

LAST = "(SELECT max(sequence) FROM events WHERE job_id = ?1)"


def test_a_healthy_database_has_no_violation(copy: Path, populated: Populated) -> None:
    report = audit(copy)

    assert report.violations == []
    assert report.checked.jobs == len(populated.job_ids) == report.ledger.accepted == report.ledger.rows
    assert report.checked.events == report.checked.position > 40
    assert report.checked.views == 1
    assert report.ledger.rows_by_status == report.ledger.counted_by_status
    assert {"COMPLETED", "FAILED", "CANCELLED", "PENDING", "SCHEDULED", "EXECUTING", "RETRYING"} == set(
        report.ledger.rows_by_status
    )


@pytest.mark.parametrize("kind", ["completed", "pending", "executing"])
def test_a_deleted_job_is_missing(plant: Plant, populated: Populated, kind: str) -> None:
    job_id = populated.job_ids[kind]

    report = plant(("DELETE FROM jobs WHERE id = ?", (job_id,)))

    assert ("job_missing", job_id) in found(report)
    assert {job for _, job in found(report)} == {job_id, None}
    assert any(v.code == "ledger_differs" and job_id in v.detail for v in report.violations)


def test_a_job_whose_events_are_all_gone(plant: Plant, populated: Populated) -> None:
    job_id = populated.job_ids["failed"]

    report = plant(("DELETE FROM events WHERE job_id = ?", (job_id,)))

    assert ("row_without_events", job_id) in found(report)
    assert ("position_gap", None) in found(report)
    assert {job for _, job in found(report)} == {job_id, None}


@pytest.mark.parametrize(("which", "code"), [("1", "sequence_gap"), ("2", "sequence_gap"), (LAST, "events_missing")])
@pytest.mark.parametrize("kind", ["completed", "retried", "executing"])
def test_a_deleted_event(plant: Plant, populated: Populated, kind: str, which: str, code: str) -> None:
    job_id = populated.job_ids[kind]
    if kind == "executing" and which == "2":
        code = "events_missing"

    report = plant((f"DELETE FROM events WHERE job_id = ?1 AND sequence = {which}", (job_id,)))

    assert (code, job_id) in found(report)
    assert {job for _, job in found(report)} == {job_id, None}
    assert ("position_gap", None) in found(report)


def test_the_newest_event_of_all_deleted_shows_in_the_checkpoint(plant: Plant, populated: Populated) -> None:
    job_id = populated.job_ids["scheduled"]

    report = plant(("DELETE FROM events WHERE position = (SELECT max(position) FROM events)", ()))

    assert {("checkpoint_beyond_head", None), ("row_without_events", job_id)} <= found(report)


@pytest.mark.parametrize("kind", ["scheduled", "pending"])
def test_the_newest_jobs_deleted_with_all_that_tells_of_them(plant: Plant, populated: Populated, kind: str) -> None:
    """Rows, events and counters agree with each other; only the engine's count of positions remembers."""
    job_id = populated.job_ids[kind]
    first = "(SELECT min(position) FROM events WHERE job_id = ?1)"

    report = plant(
        (f"DELETE FROM jobs WHERE id IN (SELECT job_id FROM events WHERE position >= {first})", (job_id,)),
        (f"DELETE FROM events WHERE position >= {first}", (job_id,)),
        ("DELETE FROM views", ()),
    )

    assert found(report) == {("position_gap", None)}
    assert "the log ends at position" in report.violations[0].detail


@pytest.mark.parametrize(
    ("kind", "status"), [("completed", "FAILED"), ("pending", "SCHEDULED"), ("scheduled", "PENDING")]
)
def test_a_status_changed_in_the_row(plant: Plant, populated: Populated, kind: str, status: str) -> None:
    job_id = populated.job_ids[kind]

    report = plant(("UPDATE jobs SET status = ? WHERE id = ?", (status, job_id)))

    assert ("row_differs", job_id) in found(report)
    assert any(v.job_id == job_id and f"status is {status}" in v.detail for v in report.violations)
    assert any(v.code == "ledger_differs" and job_id in v.detail for v in report.violations)


@pytest.mark.parametrize("status", ["FAILED", "PENDING", "BANANA"])
def test_a_status_changed_in_an_event(plant: Plant, populated: Populated, status: str) -> None:
    job_id = populated.job_ids["completed"]
    change = f"UPDATE events SET payload = json_set(payload, '$.status', ?2) WHERE job_id = ?1 AND sequence = {LAST}"

    report = plant((change, (job_id, status)))

    assert ("illegal_event", job_id) in found(report)
    assert {job for _, job in found(report)} <= {job_id, None}


@pytest.mark.parametrize("payload", ["{}", "[1]", '{"id": 1', '{"status": 3, "id": []}'])
def test_an_event_that_is_no_event(plant: Plant, populated: Populated, payload: str) -> None:
    job_id = populated.job_ids["retried"]

    report = plant(("UPDATE events SET payload = ? WHERE job_id = ? AND sequence = 3", (payload, job_id)))

    named = {job for _, job in found(report)}
    assert job_id in named
    assert named <= {job_id, None}


def test_a_row_that_cannot_be_read(plant: Plant, populated: Populated) -> None:
    job_id = populated.job_ids["completed"]

    report = plant(("UPDATE jobs SET payload = '{' WHERE id = ?", (job_id,)))

    assert ("row_unreadable", job_id) in found(report)
    [said] = [one.detail for one in report.violations if one.code == "row_unreadable"]
    assert said == "its row cannot be read: Input data was truncated"
    assert {job for _, job in found(report)} == {job_id, None}


def test_a_row_that_cannot_be_read_and_has_no_events(plant: Plant, populated: Populated) -> None:
    job_id = populated.job_ids["completed"]

    report = plant(
        ("UPDATE jobs SET payload = '{' WHERE id = ?", (job_id,)), ("DELETE FROM events WHERE job_id = ?", (job_id,))
    )

    assert ("row_unreadable", job_id) in found(report)
    assert report.checked.jobs == len(populated.job_ids)
    assert {job for _, job in found(report)} == {job_id, None}


COPIED = "job_id, sequence, event_type, event_id, occurred_at, producer, correlation_id, causation_id, traceparent"


def doubled(*, sequence: str, event_id: str = "event_id", of: str = LAST) -> str:
    columns = COPIED.replace("sequence", sequence).replace("event_id", event_id)
    return (
        f"INSERT INTO events ({COPIED}, payload) SELECT {columns}, payload FROM events "
        f"WHERE job_id = ?1 AND sequence = {of}"
    )


@pytest.mark.parametrize("of", ["1", "2", "3", LAST])
@pytest.mark.parametrize("event_id", ["event_id", "'01900000-0000-7000-8000-00000000abcd'"])
def test_a_doubled_event_with_the_next_sequence(plant: Plant, populated: Populated, of: str, event_id: str) -> None:
    job_id = populated.job_ids["completed"]

    report = plant((doubled(sequence=f"{LAST} + 1", event_id=event_id, of=of), (job_id,)))

    assert ("event_after_final", job_id) in found(report)
    assert ("row_behind", job_id) in found(report)
    assert (("event_id_repeated", job_id) in found(report)) == (event_id == "event_id")


@pytest.mark.parametrize("kind", ["pending", "executing", "scheduled", "rescued"])
def test_a_doubled_event_of_an_open_job_whose_row_follows(plant: Plant, populated: Populated, kind: str) -> None:
    job_id = populated.job_ids[kind]
    new_id = "'01900000-0000-7000-8000-00000000abcd'"

    report = plant(
        (doubled(sequence="sequence + 1", event_id=new_id), (job_id,)),
        ("UPDATE jobs SET sequence = sequence + 1 WHERE id = ?", (job_id,)),
    )

    assert ("illegal_event", job_id) in found(report)


def test_a_doubled_event_far_behind(plant: Plant, populated: Populated) -> None:
    job_id = populated.job_ids["completed"]

    report = plant((doubled(sequence="sequence + 100"), (job_id,)))

    assert {("sequence_gap", job_id), ("event_id_repeated", job_id), ("row_behind", job_id)} <= found(report)


def test_an_attempt_that_ends_without_an_event_of_its_end(plant: Plant, populated: Populated) -> None:
    """Deleted and renumbered, so that only the path of the lifecycle tells."""
    job_id = populated.job_ids["completed"]

    report = plant(
        ("DELETE FROM events WHERE job_id = ? AND event_type = 'job.executed'", (job_id,)),
        ("UPDATE events SET sequence = sequence - 1 WHERE job_id = ? AND event_type = 'job.completed'", (job_id,)),
        ("UPDATE jobs SET sequence = sequence - 1 WHERE id = ?", (job_id,)),
    )

    assert ("illegal_event", job_id) in found(report)


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("$.id", "01900000-0000-7000-8000-00000000abcd", "event_of_another_job"),
        ("$.type", "mails", "inputs_changed"),
        ("$.priority", 1, "inputs_changed"),
        ("$.fence", 1, "fence_wrong"),
        ("$.fence", 9, "fence_wrong"),
        ("$.attempt", 4, "attempts_exceeded"),
    ],
)
def test_an_event_that_breaks_a_rule(plant: Plant, populated: Populated, path: str, value: object, code: str) -> None:
    job_id = populated.job_ids["retried"]
    sql = (
        "UPDATE events SET payload = json_set(payload, ?, ?) WHERE job_id = ? AND event_type = 'job.validated' "
        "AND sequence > 3"
    )

    report = plant((sql, (path, value, job_id)))

    assert (code, job_id) in found(report)
    assert {job for _, job in found(report)} <= {job_id, None}


@pytest.mark.parametrize(
    ("change", "which", "what"),
    [
        ("event_id = 'other'", "1", "event id"),
        ("correlation_id = 'other'", "1", "correlation id"),
        ("correlation_id = 'other'", LAST, "correlation id"),
        ("traceparent = '00-1'", "1", "traceparent"),
        ("traceparent = '00-1'", LAST, "traceparent"),
        ("causation_id = event_id", "2", "cause"),
        ("causation_id = 'no event'", LAST, "cause"),
    ],
)
def test_an_envelope_changed_by_hand(plant: Plant, populated: Populated, change: str, which: str, what: str) -> None:
    job_id = populated.job_ids["retried"]

    report = plant((f"UPDATE events SET {change} WHERE job_id = ?1 AND sequence = {which}", (job_id,)))

    assert found(report) == {("envelope_differs", job_id)}
    assert f"has the {what} " in report.violations[0].detail


@pytest.mark.parametrize("name", ["eventId", "correlationId"])
def test_a_creation_that_is_not_what_its_envelope_says(plant: Plant, populated: Populated, name: str) -> None:
    job_id = populated.job_ids["completed"]
    change = f"UPDATE events SET payload = json_set(payload, '$.{name}', 'other') WHERE job_id = ? AND sequence = 1"

    report = plant((change, (job_id,)))

    assert ("envelope_differs", job_id) in found(report)
    assert {job for _, job in found(report)} == {job_id}


def test_an_end_that_forgot_its_cause(plant: Plant, populated: Populated) -> None:
    job_id = populated.job_ids["completed"]
    change = "UPDATE events SET causation_id = NULL WHERE job_id = ? AND event_type = 'job.completed'"

    report = plant((change, (job_id,)))

    assert found(report) == {("envelope_differs", job_id)}


def test_a_job_with_a_trace_and_a_cause_from_elsewhere_is_sound(tmp_path: Path) -> None:
    async def live() -> None:
        world = World(tmp_path)
        await world.store.submit([world.new(1, traceparent="00-0af7-b7ad-01", causation_id="of another system")])
        [job] = await world.claim(1)
        await world.apply(job.id, Succeed(fence=job.fence, result=None, run_s=0.1))
        await world.file.close()

    asyncio.run(live())

    assert audit(tmp_path).is_clean


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("payload", '{"z": 1}'),
        ("metadata", '{"by": "someone"}'),
        ("result", '"other"'),
        ("attempt", 2),
        ("priority", 0),
        ("queue", "other"),
        ("fence", 7),
        ("updated_at", 1),
        ("finished_at", 1),
        ("correlation_id", "c"),
        ("timeout_seconds", 31.5),
        ("idempotency_key", "other"),
        ("event_id", "other"),
        ("traceparent", "00-1"),
    ],
)
def test_any_field_of_a_row_changed_by_hand(plant: Plant, populated: Populated, column: str, value: object) -> None:
    job_id = populated.job_ids["completed"]

    report = plant((f"UPDATE jobs SET {column} = ? WHERE id = ?", (value, job_id)))

    assert found(report) == {("row_differs", job_id)}


def test_a_row_that_stands_behind_its_events(plant: Plant, populated: Populated) -> None:
    job_id = populated.job_ids["completed"]

    report = plant(("UPDATE jobs SET sequence = sequence - 1 WHERE id = ?", (job_id,)))

    assert found(report) == {("row_behind", job_id)}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("$.totalJobs", "totalJobs"),
        ("$.byStatus.COMPLETED", "byStatus.COMPLETED"),
        ("$.byType.mail.accepted", "byType.mail.accepted"),
        ("$.attemptsByOutcome.succeeded", "attemptsByOutcome.succeeded"),
        ("$.waitSecondsSum", "waitSecondsSum"),
        ("$.attemptsByOutcome.invented", "attemptsByOutcome.invented"),
    ],
)
def test_a_wrong_counter_is_named_with_both_values(plant: Plant, path: str, name: str) -> None:
    report = plant(("UPDATE views SET document = json_set(document, ?, 99)", (path,)))

    assert found(report) == {("counter_differs", None)}
    assert f"{name} is 99" in report.violations[0].detail
    assert "the events give" in report.violations[0].detail
    assert ("last moved by job" in report.violations[0].detail) == (name != "attemptsByOutcome.invented")


def test_a_wrong_counter_beside_a_deleted_event_names_the_job(plant: Plant, populated: Populated) -> None:
    job_id = populated.job_ids["failed"]

    report = plant(("DELETE FROM events WHERE job_id = ? AND event_type = 'job.failed'", (job_id,)))

    details = [v.detail for v in report.violations if v.code == "counter_differs"]
    assert any("byType.mail.failed is" in detail and job_id in detail for detail in details)


def test_a_checkpoint_beyond_the_head(plant: Plant) -> None:
    report = plant(("UPDATE views SET checkpoint = checkpoint + 5", ()))

    assert found(report) == {("checkpoint_beyond_head", None)}


def test_a_checkpoint_moved_back_is_a_view_that_counts_too_much(plant: Plant) -> None:
    report = plant(("UPDATE views SET checkpoint = checkpoint - 3", ()))

    assert {code for code, _ in found(report)} == {"counter_differs"}


def test_a_view_that_cannot_be_read(plant: Plant) -> None:
    report = plant(("UPDATE views SET document = '[]'", ()))

    assert found(report) == {("view_unreadable", None)}


@pytest.mark.parametrize("sql", ["DELETE FROM views", "UPDATE views SET name = 'other'"])
def test_counters_that_do_not_exist_are_no_violation_and_are_noted(plant: Plant, sql: str) -> None:
    report = plant((sql, ()))

    assert report.is_clean
    assert report.checked.views == 0
    assert [str(note.code) for note in report.notes] == ["view_absent"]


def test_nothing_is_noted_when_there_is_nothing_to_count(tmp_path: Path) -> None:
    asyncio.run(World(tmp_path).file.close())

    report = audit(tmp_path)

    assert (report.is_clean, report.notes) == (True, [])


def test_a_gap_of_positions_alone(plant: Plant) -> None:
    report = plant(
        ("UPDATE events SET position = position + 10 WHERE position = (SELECT max(position) FROM events)", ())
    )

    assert ("position_gap", None) in found(report)
    assert {job for _, job in found(report)} == {None}


FAR = 2**62
"""A number that nothing may count up to."""


def test_an_event_that_was_moved_far_away_costs_no_more_than_any_other(
    plant: Plant, copy: Path, populated: Populated
) -> None:
    job_id = populated.job_ids["completed"]
    before = audit(copy).checked.position

    report = plant(("UPDATE events SET position = ? WHERE job_id = ? AND sequence = 2", (FAR, job_id)))

    gaps = [violation.detail for violation in report.violations if violation.code == "position_gap"]
    assert len(gaps) == 2
    assert gaps[1] == f"positions {before + 1} to {FAR - 1} are missing from the log"
    assert report.checked.position == FAR


def test_a_damaged_event_far_away_is_found_at_once_and_reported_once(plant: Plant, populated: Populated) -> None:
    report = plant(
        ("UPDATE events SET payload = '{' WHERE position = 3", ()),
        (f"UPDATE events SET payload = '{{', position = {FAR} WHERE position = 5", ()),
    )

    unreadable = [violation.detail for violation in report.violations if violation.code == "event_unreadable"]
    assert [detail.split(" cannot")[0] for detail in unreadable] == [
        "the event at position 3",
        f"the event at position {FAR}",
    ]


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE events SET sequence = {FAR} WHERE job_id = ?1 AND sequence = {LAST}",
        f"UPDATE jobs SET sequence = {FAR} WHERE id = ?",
        f"UPDATE jobs SET attempt = {FAR}, max_attempts = {FAR} WHERE id = ?",
        f"UPDATE jobs SET fence = {FAR} WHERE id = ?",
        f"UPDATE jobs SET run_at = {FAR} WHERE id = ?",
        f"UPDATE jobs SET number = {FAR} WHERE id = ?",
        f"UPDATE events SET occurred_at = {FAR} WHERE job_id = ?",
        f"UPDATE events SET payload = json_set(payload, '$.fence', {FAR}) WHERE job_id = ?",
        f"UPDATE events SET payload = json_set(payload, '$.attempt', {FAR}) WHERE job_id = ?",
    ],
)
def test_an_absurd_number_is_reported_and_not_counted_up_to(plant: Plant, populated: Populated, change: str) -> None:
    report = plant((change, (populated.job_ids["completed"],)))

    assert report.is_clean == ("number" in change), found(report)  # the number of a row is nobody's promise


@pytest.mark.parametrize("where", ["checkpoint", "document"])
def test_an_absurd_number_in_the_counters_is_reported(plant: Plant, where: str) -> None:
    change = {"checkpoint": f"checkpoint = {FAR}", "document": f"document = json_set(document, '$.events', {FAR})"}

    report = plant((f"UPDATE views SET {change[where]}", ()))

    assert not report.is_clean


def test_a_damaged_event_of_a_packed_job_does_not_end_the_audit(
    plant: Plant, populated: Populated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AUDIT_DOCUMENTS_MAX", 0)
    job_id = populated.job_ids["completed"]

    report = plant(("UPDATE events SET payload = '{' WHERE job_id = ? AND sequence = 3", (job_id,)))

    assert ("event_unreadable", None) in found(report)
    assert {job for _, job in found(report)} == {job_id, None}
