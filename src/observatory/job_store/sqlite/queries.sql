-- Named queries of `JobQueries`. `{…}` marks are filled by the driver.

-- name: job_by_id — one job
SELECT {columns} FROM jobs WHERE id = ?;

-- name: page — the driver adds the filter; where no index gives the order, only numbers are sorted, not rows
SELECT {columns}, number FROM jobs
WHERE number IN (SELECT number FROM jobs WHERE {conditions} ORDER BY number DESC LIMIT ?)
ORDER BY number DESC;

-- name: queue_depths — open jobs only, from an index that holds nothing else
SELECT queue, status, count(*), min(run_at) FROM jobs
WHERE status <> 'COMPLETED' AND status IN ('SCHEDULED', 'PENDING', 'VALIDATED', 'EXECUTING', 'RETRYING')
GROUP BY queue, status ORDER BY queue;

-- name: processes — newest heartbeat first
SELECT heartbeat_at, document FROM workers ORDER BY heartbeat_at DESC, instance_id LIMIT 1000;

-- name: types — by name
SELECT seen_at, document FROM types ORDER BY type LIMIT 10000;
