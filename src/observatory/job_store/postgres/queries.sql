-- Named queries of `JobQueries`. `{…}` marks are filled by the driver.

-- name: job_by_id — one job
SELECT {columns} FROM observatory.jobs WHERE id = $1;

-- name: page — whole jobs by their numbers, which the driver chooses
SELECT job.* FROM ({chosen}) AS chosen
CROSS JOIN LATERAL (SELECT {columns}, number FROM observatory.jobs WHERE number = chosen.number LIMIT 1) AS job;

-- name: queue_depths — open jobs only, from an index that holds nothing else
SELECT queue, status, count(*), min(run_at) FROM observatory.jobs
WHERE status <> 'COMPLETED' AND status IN ('SCHEDULED', 'PENDING', 'VALIDATED', 'EXECUTING', 'RETRYING')
GROUP BY queue, status ORDER BY queue;

-- name: processes — newest heartbeat first
SELECT heartbeat_at, document FROM observatory.workers ORDER BY heartbeat_at DESC, instance_id LIMIT 1000;

-- name: types — by name
SELECT seen_at, document FROM observatory.types ORDER BY type LIMIT 10000;
