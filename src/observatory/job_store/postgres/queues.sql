-- Named queries of `Queues`.

-- name: lock — whoever changes a setting waits for the change before and for all claims under way, which hold it shared
SELECT pg_advisory_xact_lock(1868854369);

-- name: lock_shared — of a claim: what is set now stays until it is committed
SELECT pg_advisory_xact_lock_shared(1868854369);

-- name: queue_setting — of one queue, with the time
SELECT observatory.now(), queue, paused_at, paused_by, pause_reason, concurrency_max
FROM (VALUES ($1::text)) AS asked (name) LEFT JOIN observatory.queues ON queue = name;

-- name: queue_settings — of every queue that has one
SELECT queue, paused_at, paused_by, pause_reason, concurrency_max FROM observatory.queues ORDER BY queue;

-- name: queues_set — how many others have one
SELECT count(*) FROM observatory.queues WHERE queue <> $1;

-- name: save_queue — what is set now
INSERT INTO observatory.queues (queue, paused_at, paused_by, pause_reason, concurrency_max) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (queue) DO UPDATE SET
    paused_at = excluded.paused_at, paused_by = excluded.paused_by, pause_reason = excluded.pause_reason,
    concurrency_max = excluded.concurrency_max;

-- name: forget_queue — nothing is set any more
DELETE FROM observatory.queues WHERE queue = $1;
