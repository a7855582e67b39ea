-- Named queries of the claim: which job is next, and what its queue allows. `{…}` marks are filled by the driver.

-- name: walk — each queue in which jobs of these types wait, by a seek or two each, and a NULL behind the last of a type
SELECT given.type, (
    SELECT min(jobs.queue) FROM observatory.jobs WHERE status = 'PENDING' AND jobs.type = given.type
) AS queue
FROM unnest($1::text[]) AS given (type)
UNION ALL
SELECT walk.type, (
    SELECT min(jobs.queue) FROM observatory.jobs
    WHERE status = 'PENDING' AND jobs.type = walk.type AND jobs.queue > walk.queue
)
FROM walk WHERE walk.queue IS NOT NULL;

-- name: lanes — those queues, with what is set for them
WITH RECURSIVE walk AS ({walk})
SELECT walk.type, walk.queue, queues.paused_at IS NOT NULL, queues.concurrency_max
FROM walk LEFT JOIN observatory.queues USING (queue) WHERE walk.queue IS NOT NULL;

-- name: unlimited — of those that are not paused, with room for as many as are wanted; none if one of them has a limit
SELECT walk.type, walk.queue, $2::integer FROM walk LEFT JOIN observatory.queues USING (queue)
WHERE walk.queue IS NOT NULL AND paused_at IS NULL AND NOT EXISTS (
    SELECT FROM walk AS any_lane JOIN observatory.queues AS any_queue USING (queue) WHERE concurrency_max IS NOT NULL
);

-- name: with_room — those of the queues with a limit that seem to have a place; most of the time such queues are full
SELECT queue FROM observatory.queues
WHERE queue = ANY($1::text[]) AND concurrency_max > (
    SELECT count(*) FROM observatory.jobs
    WHERE status IN ('VALIDATED', 'EXECUTING') AND status <> 'COMPLETED' AND jobs.queue = queues.queue
);

-- name: lock_limits — claims from a queue with a limit go one after the other, and hold up no claim from another queue
SELECT queue, concurrency_max FROM observatory.queues
WHERE queue = ANY($1::text[]) ORDER BY queue FOR UPDATE SKIP LOCKED;

-- name: leased_of — how much of each limit is used; a statement of its own, which sees what the lock was waited for
SELECT queue, count(*) FROM observatory.jobs
WHERE status IN ('VALIDATED', 'EXECUTING') AND status <> 'COMPLETED' AND queue = ANY($1::text[]) GROUP BY queue;

-- name: ready — the next of some lanes, of each as many as the order of all gives it, past those others lock; and the time
WITH RECURSIVE walk AS ({walk}), line AS (
    SELECT lanes.type, lanes.queue, next.priority, next.run_at, next.number, lanes.room,
        row_number() OVER (PARTITION BY lanes.queue ORDER BY next.priority, next.run_at, next.number) AS place
    FROM ({lanes}) AS lanes (type, queue, room)
    CROSS JOIN LATERAL (
        SELECT priority, run_at, number FROM observatory.jobs
        WHERE status = 'PENDING' AND jobs.type = lanes.type AND jobs.queue = lanes.queue
        ORDER BY priority, run_at, number LIMIT lanes.room
    ) AS next
), shares AS (
    SELECT type, queue, count(*) AS share FROM (
        SELECT type, queue FROM line WHERE place <= room ORDER BY priority, run_at, number LIMIT {wanted}
    ) AS first GROUP BY type, queue
), taken AS MATERIALIZED (
    SELECT jobs.* FROM shares CROSS JOIN LATERAL (
        SELECT {columns}, number FROM observatory.jobs
        WHERE status = 'PENDING' AND jobs.type = shares.type AND jobs.queue = shares.queue
        ORDER BY priority, run_at, number LIMIT shares.share
        FOR UPDATE SKIP LOCKED
    ) AS jobs
)
SELECT {columns}, observatory.now() FROM taken ORDER BY priority, run_at, number;
