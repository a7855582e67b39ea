-- Named queries of `JobStore`. `{…}` marks are filled by the driver with lists of `?`.

-- name: update_jobs — what a transition may change, of each row that is still as it was read
UPDATE jobs SET
    status = changed.status, run_at = changed.run_at, attempt = changed.attempt, fence = changed.fence,
    sequence = changed.sequence, worker = changed.worker, lease_expires_at = changed.lease_expires_at,
    updated_at = changed.updated_at, started_at = changed.started_at, finished_at = changed.finished_at,
    cancel_requested_at = changed.cancel_requested_at, progress = changed.progress, result = changed.result,
    error = changed.error
FROM (
    WITH given (
        id, sequence_before, status, run_at, attempt, fence, sequence, worker, lease_expires_at, updated_at,
        started_at, finished_at, cancel_requested_at, progress, result, error
    ) AS (VALUES {rows})
    SELECT * FROM given
) AS changed
WHERE jobs.id = changed.id AND jobs.sequence = changed.sequence_before;

-- name: delayed — jobs whose time has come
SELECT id FROM jobs
WHERE status IN ('SCHEDULED', 'RETRYING') AND run_at <= ?
ORDER BY run_at LIMIT ?;

-- name: expired — leases that have ended
SELECT id, fence, attempt, type FROM jobs
WHERE lease_expires_at IS NOT NULL AND lease_expires_at <= ?
ORDER BY lease_expires_at LIMIT ?;

-- name: extend_lease — only the current attempt's
UPDATE jobs SET lease_expires_at = ?
WHERE id = ? AND fence = ? AND lease_expires_at IS NOT NULL
RETURNING cancel_requested_at IS NOT NULL;

-- name: end_leases_of_others — the owner of the file knows that their processes are gone
UPDATE jobs SET lease_expires_at = ?
WHERE lease_expires_at > ? AND worker NOT IN ({workers});

-- name: save_worker — a heartbeat
INSERT INTO workers (instance_id, heartbeat_at, document) VALUES (?, ?, ?)
ON CONFLICT (instance_id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, document = excluded.document;

-- name: forget_workers — those not heard of for long
DELETE FROM workers WHERE heartbeat_at < ?;

-- name: save_type — an announcement
INSERT INTO types (type, seen_at, document) VALUES (?, ?, ?)
ON CONFLICT (type) DO UPDATE SET seen_at = excluded.seen_at, document = excluded.document;
