-- Named queries of `Pruning`. `{…}` marks are filled by the driver.

-- name: types — now, and the types of final jobs, each by one seek in the one index that has this order
WITH RECURSIVE walk (type) AS (
    (SELECT type FROM observatory.jobs WHERE finished_at IS NOT NULL ORDER BY type, status, finished_at LIMIT 1)
    UNION ALL
    SELECT (
        SELECT type FROM observatory.jobs WHERE finished_at IS NOT NULL AND jobs.type > walk.type
        ORDER BY type, status, finished_at LIMIT 1
    ) FROM walk WHERE walk.type IS NOT NULL
)
SELECT observatory.now(), ARRAY(SELECT type FROM walk WHERE type IS NOT NULL ORDER BY type);

-- name: longest_finished — of each turn, when the first expired job ended; the owner of the newest event does not count
SELECT (
    SELECT finished_at FROM observatory.jobs
    WHERE finished_at IS NOT NULL AND jobs.type = turn.type AND jobs.status = turn.status
        AND finished_at <= turn.before AND id IS DISTINCT FROM newest.job_id
    ORDER BY type, status, finished_at LIMIT 1
)
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS turn (type, status, before, place)
CROSS JOIN (SELECT coalesce(
    (SELECT job_id FROM observatory.outbox ORDER BY number DESC LIMIT 1),
    (SELECT job_id FROM observatory.events ORDER BY position DESC LIMIT 1)
) AS job_id) AS newest
ORDER BY place;

-- name: finished — jobs of one turn, the longest final first, with the last position that the log has of each
SELECT number, id, sequence, (
    SELECT position FROM observatory.events WHERE job_id = jobs.id ORDER BY job_id, events.sequence DESC LIMIT 1
)
FROM observatory.jobs
WHERE finished_at IS NOT NULL AND type = $1 AND status = $2 AND finished_at <= $3 AND number <> ALL ($4::bigint[])
ORDER BY type, status, finished_at LIMIT $5;

-- name: incomplete — those that lack an event, neither in the log nor in the outbox of one and the same instant
SELECT number FROM observatory.jobs
WHERE number = ANY ($1::bigint[])
    AND sequence <> (SELECT count(*) FROM observatory.events WHERE job_id = jobs.id)
    AND NOT EXISTS (SELECT FROM observatory.outbox WHERE job_id = jobs.id);

-- name: lock — whoever prunes waits for the one before, so that each rollup is made of the one before it
LOCK TABLE observatory.pruned IN SHARE UPDATE EXCLUSIVE MODE;

-- name: view — where the view stands, and will stand until the end of the transaction
SELECT generation, checkpoint FROM observatory.views WHERE name = $1 FOR SHARE;

-- name: going — final jobs whose events are those that were folded, all of them in the log
SELECT job.id FROM unnest($1::text[], $2::bigint[], $3::numeric[]) AS found (id, events, positions_sum)
CROSS JOIN LATERAL (
    SELECT id FROM observatory.jobs
    WHERE id = found.id AND finished_at IS NOT NULL AND sequence = found.events LIMIT 1 FOR UPDATE
) AS job
CROSS JOIN LATERAL (
    SELECT count(*) AS events, sum(position) AS positions_sum FROM observatory.events WHERE job_id = found.id
) AS held
WHERE held.events = found.events AND held.positions_sum = found.positions_sum;

-- name: delete_of_jobs — what belongs to them, from one table
DELETE FROM observatory.{table} WHERE job_id = ANY ($1::text[]);

-- name: delete_jobs — the rows themselves
DELETE FROM observatory.jobs WHERE id = ANY ($1::text[]);

-- name: rollup — of one view
SELECT jobs, events, positions_sum, document FROM observatory.pruned WHERE view = $1;

-- name: save_rollup — replaces it
INSERT INTO observatory.pruned (view, jobs, events, positions_sum, document) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (view) DO UPDATE SET jobs = excluded.jobs, events = excluded.events,
    positions_sum = excluded.positions_sum, document = excluded.document;
