-- Named queries of `AttemptLogs`. `{…}` marks are filled by the driver.

-- name: save_logs — only what the job's history knows of; a job that is being pruned is waited for, and then is gone
INSERT INTO observatory.attempt_logs (
    job_id, fence, attempt, is_complete, dropped_lines, dropped_bytes, lines, saved_at
)
SELECT given.*, (SELECT observatory.now())
FROM {given} AS given (job_id, fence, attempt, is_complete, dropped_lines, dropped_bytes, lines)
CROSS JOIN LATERAL (
    SELECT id FROM observatory.jobs WHERE id = given.job_id AND fence >= given.fence LIMIT 1 FOR KEY SHARE
) AS job
ON CONFLICT (job_id, fence) DO UPDATE SET
    attempt = excluded.attempt, is_complete = excluded.is_complete, saved_at = excluded.saved_at,
    dropped_lines = excluded.dropped_lines, dropped_bytes = excluded.dropped_bytes, lines = excluded.lines
WHERE attempt_logs.is_complete <= excluded.is_complete;

-- name: forget_logs — all but the newest of some jobs
DELETE FROM observatory.attempt_logs
USING unnest($1::text[]) AS given (job_id)
WHERE attempt_logs.job_id = given.job_id AND fence <= (
    SELECT fence FROM observatory.attempt_logs AS kept WHERE kept.job_id = given.job_id
    ORDER BY fence DESC OFFSET $2 LIMIT 1
);

-- name: log_of_attempt — the newest of one attempt, among those that are kept
SELECT * FROM (
    SELECT attempt, fence, is_complete, saved_at, dropped_lines, dropped_bytes, lines FROM observatory.attempt_logs
    WHERE job_id = $1 ORDER BY fence DESC LIMIT $2
) AS kept
WHERE $3::integer IS NULL OR attempt = $3 ORDER BY fence DESC LIMIT 1;
