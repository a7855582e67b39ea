-- Named queries of the claim: which job is next, and what its queue allows.

-- name: ready_heads — the first PENDING job of each queue of each type, by a seek or two each
WITH RECURSIVE heads (number) AS (
    SELECT number FROM (
        SELECT number FROM jobs WHERE status = 'PENDING' AND type > ''
        ORDER BY type, queue, priority, run_at, number LIMIT 1
    )
    UNION ALL
    SELECT coalesce(
        (
            SELECT later.number FROM jobs AS later
            WHERE later.status = 'PENDING' AND later.type = jobs.type AND later.queue > jobs.queue
            ORDER BY later.queue, later.priority, later.run_at, later.number LIMIT 1
        ),
        (
            SELECT later.number FROM jobs AS later
            WHERE later.status = 'PENDING' AND later.type > jobs.type
            ORDER BY later.type, later.queue, later.priority, later.run_at, later.number LIMIT 1
        )
    )
    FROM heads JOIN jobs ON jobs.number = heads.number
)
SELECT jobs.priority, jobs.run_at, jobs.number, jobs.type, jobs.queue
FROM heads JOIN jobs ON jobs.number = heads.number;

-- name: ready_of_queue — the PENDING jobs of one type in one queue, read one by one
SELECT {columns}, number FROM jobs
WHERE status = 'PENDING' AND type = ? AND queue = ?
ORDER BY priority, run_at, number;

-- name: queues_in_the_way — those that a claim must ask about
SELECT queue, paused_at IS NOT NULL, concurrency_max FROM queues;

-- name: leased_of_limited — how much of each limit is used
SELECT queues.queue, count(*) FROM queues
JOIN jobs ON jobs.queue = queues.queue AND jobs.status IN ('VALIDATED', 'EXECUTING') AND jobs.status <> 'COMPLETED'
WHERE queues.concurrency_max IS NOT NULL AND queues.paused_at IS NULL
GROUP BY queues.queue;

-- name: limited_queues — those in which a settle makes room
SELECT queue FROM queues WHERE concurrency_max IS NOT NULL;
