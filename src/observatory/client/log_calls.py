"""What is asked about the logs of attempts: pure, for both clients."""

from observatory.client.calls import Call, get, of_job


def attempt_log(job_id: str, attempt: int | None) -> Call:
    """*attempt* None is the last one."""
    return get("read_model", of_job(job_id, "/logs"), attempt=attempt)
