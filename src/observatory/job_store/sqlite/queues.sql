-- Named queries of `Queues`.

-- name: queue_setting — of one queue
SELECT queue, paused_at, paused_by, pause_reason, concurrency_max FROM queues WHERE queue = ?;

-- name: queue_settings — of every queue that has one
SELECT queue, paused_at, paused_by, pause_reason, concurrency_max FROM queues ORDER BY queue;

-- name: queues_set — how many others have one
SELECT count(*) FROM queues WHERE queue <> ?;

-- name: save_queue — what is set now
INSERT INTO queues (queue, paused_at, paused_by, pause_reason, concurrency_max) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (queue) DO UPDATE SET
    paused_at = excluded.paused_at, paused_by = excluded.paused_by, pause_reason = excluded.pause_reason,
    concurrency_max = excluded.concurrency_max;

-- name: forget_queue — nothing is set any more
DELETE FROM queues WHERE queue = ?;
