-- Named queries of `AttemptLogs`.

-- name: save_log — only what the job's history knows of
INSERT INTO attempt_logs (job_id, fence, attempt, is_complete, saved_at, dropped_lines, dropped_bytes, lines)
SELECT ?, ?, ?, ?, ?, ?, ?, ?
WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ? AND fence >= ?)
ON CONFLICT (job_id, fence) DO UPDATE SET
    attempt = excluded.attempt, is_complete = excluded.is_complete, saved_at = excluded.saved_at,
    dropped_lines = excluded.dropped_lines, dropped_bytes = excluded.dropped_bytes, lines = excluded.lines
WHERE attempt_logs.is_complete <= excluded.is_complete;

-- name: forget_logs — all but the newest of a job
DELETE FROM attempt_logs WHERE job_id = ? AND fence <= (
    SELECT fence FROM attempt_logs WHERE job_id = ? ORDER BY fence DESC LIMIT 1 OFFSET ?
);

-- name: log_of_attempt — the newest of one attempt
SELECT attempt, fence, is_complete, saved_at, dropped_lines, dropped_bytes, lines FROM attempt_logs
WHERE job_id = ? AND attempt = ? ORDER BY fence DESC LIMIT 1;

-- name: last_log — the newest of a job
SELECT attempt, fence, is_complete, saved_at, dropped_lines, dropped_bytes, lines FROM attempt_logs
WHERE job_id = ? ORDER BY fence DESC LIMIT 1;
