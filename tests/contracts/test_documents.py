import re

import msgspec
from hypothesis import given, settings

from observatory.core import command, job, lifecycle
from observatory.core.event import EVENT_ONLY_KEYS, Event, EventType
from observatory.core.job import Job, JobStatus, Outcome
from tests.contracts.cases import CONTRACTS
from tests.contracts.histories import histories

DOCS = CONTRACTS.parent / "docs"
EVENTS = (DOCS / "events.md").read_text()
LIFECYCLE = (DOCS / "job-lifecycle.md").read_text()
GLOSSARY = (DOCS / "glossary.md").read_text()


def _rows(page: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]


def test_every_event_type_has_one_row():
    assert sorted(row[0] for row in _rows(EVENTS) if row[0].startswith("`job.")) == sorted(f"`{t}`" for t in EventType)


def test_every_outcome_has_a_row():
    rows = {row[0].strip("`") for row in _rows(EVENTS)}

    assert set(Outcome) <= rows


def test_every_field_of_the_envelope_is_explained():
    rows = [row[0] for row in _rows(EVENTS)]

    for field in msgspec.structs.fields(Event):
        assert any(f"`{field.encode_name}`" in row for row in rows), field.encode_name


ALWAYS = {"id", "type", "status", "previousStatus"}


def _named(event_type: str) -> set[str]:
    (row,) = (row[2] for row in _rows(EVENTS) if row[0] == f"`{event_type}`")
    return set(re.findall(r"`([a-zA-Z_]+)`", row))


@settings(max_examples=150, deadline=None)
@given(histories())
def test_every_payload_field_and_reason_that_is_written_stands_in_the_row_of_its_event(history):
    for event in history[1]:
        if event.event_type != EventType.CREATED:
            assert set(event.payload) - ALWAYS <= _named(event.event_type)
            assert event.payload.get("reason") in _named(event.event_type) | {None}


def test_rows_of_events_name_fields_that_exist():
    fields = {field.encode_name for field in msgspec.structs.fields(Job)} | EVENT_ONLY_KEYS
    reasons = {"released", "lease_lost", "snoozed", "succeeded_before_cancel", "attempts_used_up", "discarded"}

    for event_type in EventType:
        assert _named(event_type) <= fields | reasons | {"invalid"}


def test_every_status_has_a_row_that_says_whether_it_is_final():
    rows = {row[0]: row[2] for row in _rows(LIFECYCLE) if len(row) == 3}

    for status in JobStatus:
        assert rows[status] == ("yes" if status.is_final else "")


def test_the_steps_are_exactly_those_that_are_allowed():
    steps = [(row[0], row[1].strip("`"), row[2]) for row in _rows(LIFECYCLE) if row[1].startswith("`job.")]

    allowed = {(before or "(none)", event, after) for before, event, after in lifecycle.ALLOWED}
    assert len(steps) == len(set(steps))
    assert set(steps) == allowed


def test_the_diagram_names_every_status():
    diagram = LIFECYCLE.split("```")[1]

    for status in JobStatus:
        assert status in diagram


def test_the_glossary_names_the_words_of_the_code():
    words = [row[0] for row in _rows(GLOSSARY)]

    assert len(words) - len(set(words)) == 2 * (GLOSSARY.count("| word |") - 1), "a word has one meaning"
    required = """job, type, handler, attempt, fence, lease, heartbeat, claim, settle, rescue, snooze, release,
        position, sequence, outbox, relay, hint, dead letter, fold, view, checkpoint, lag, rebuild, ledger,
        correlation id, causation id, idempotency key, port, driver, loop, drain"""
    assert set(re.split(r",\s+", required)) <= set(words)


def test_no_entry_of_the_glossary_refuses_itself():
    for word, _, refused in (row for row in _rows(GLOSSARY) if row[0] not in {"word", "---"}):
        assert word not in {part.strip() for part in refused.split(",")}, word


def test_the_glossary_has_the_commands_that_end_an_attempt():
    words = {row[0] for row in _rows(GLOSSARY)}

    for kind in (command.Snooze, command.Release, command.Refuse, command.Rescue, command.Claim):
        assert kind.__name__.lower() in words
    assert {"payload", "queue", "priority", "status"} <= words & {f.name for f in msgspec.structs.fields(job.Job)}
