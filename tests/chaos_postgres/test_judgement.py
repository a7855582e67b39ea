"""What a campaign finds wrong in a history."""

from tests.chaos_postgres.judgement import faults_of


def event(job_id, kind, status):
    return {"eventType": kind, "payload": {"id": job_id, "status": status}}


def history(*job_ids):
    return [
        one
        for job_id in job_ids
        for one in (event(job_id, "job.created", "PENDING"), event(job_id, "job.completed", "COMPLETED"))
    ]


def test_promised_and_summed_jobs_that_are_completed_are_in_order():
    assert faults_of(history("a", "b", "c"), {"key-a": "a", "key-b": "b"}, summed=1) == []


def test_a_promise_without_a_job_is_a_loss():
    assert "key-b b is lost" in faults_of(history("a"), {"key-a": "a", "key-b": "b"}, summed=0)


def test_two_keys_with_one_answer_are_a_fault():
    assert "a is the answer to 2 keys" in faults_of(history("a"), {"key-a": "a", "key-b": "a"}, summed=0)


def test_a_job_that_nobody_asked_for_is_a_fault():
    assert faults_of(history("a", "b"), {"key-a": "a"}, summed=0) == ["2 jobs, and 1 were asked for"]


def test_a_job_without_an_end_or_with_two_is_a_fault():
    none = faults_of(history("a")[:1], {"key-a": "a"}, summed=0)
    two = faults_of([*history("a"), event("a", "job.completed", "COMPLETED")], {"key-a": "a"}, summed=0)

    assert none == ["a has the final events []"]
    assert two == ["a has the final events ['COMPLETED', 'COMPLETED']"]


def test_a_job_that_failed_is_a_fault():
    failed = [event("a", "job.created", "PENDING"), event("a", "job.failed", "FAILED")]

    assert faults_of(failed, {"key-a": "a"}, summed=0) == ["a has the final events ['FAILED']"]
