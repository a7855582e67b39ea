-- Named queries of `JobStore`. `{…}` marks are filled by the driver.

-- name: now — the store's clock
SELECT observatory.now();

-- name: lock_jobs — rows to change, with the time after they were locked, and whether their queue has a limit
WITH locked AS MATERIALIZED (
    SELECT {columns} FROM observatory.jobs WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE
)
SELECT {columns}, observatory.now(),
    EXISTS (SELECT FROM observatory.queues WHERE queues.queue = locked.queue AND concurrency_max IS NOT NULL)
FROM locked;

-- name: change — what transitions change, of each row that is still as it was read, and all of their events
WITH staged AS (
    INSERT INTO observatory.outbox ({event_columns}) SELECT * FROM {events}
), changed AS (
    UPDATE observatory.jobs SET
        status = given.status, run_at = given.run_at, attempt = given.attempt, fence = given.fence,
        sequence = given.sequence, worker = given.worker, lease_expires_at = given.lease_expires_at,
        updated_at = given.updated_at, started_at = given.started_at, finished_at = given.finished_at,
        cancel_requested_at = given.cancel_requested_at, progress = given.progress, result = given.result,
        error = given.error, error_type = given.error_type
    FROM {rows} AS given ({row_columns})
    WHERE jobs.id = given.id AND jobs.sequence = given.sequence_before
    RETURNING 1
)
SELECT count(*) FROM changed;

-- name: has_due — whether a job's time has come
SELECT EXISTS (
    SELECT FROM observatory.jobs
    WHERE status IN ('SCHEDULED', 'RETRYING') AND run_at <= (SELECT observatory.now())
);

-- name: due — jobs whose time has come, past those that others change at the moment
SELECT {columns}, (SELECT observatory.now()) FROM observatory.jobs
WHERE status IN ('SCHEDULED', 'RETRYING') AND run_at <= (SELECT observatory.now())
ORDER BY run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED;

-- name: expired — leases that have ended
SELECT id, fence, attempt, type FROM observatory.jobs
WHERE lease_expires_at IS NOT NULL AND lease_expires_at <= (SELECT observatory.now())
ORDER BY lease_expires_at LIMIT $1;

-- name: heartbeat — of one worker: that it lives, and the leases that it still holds
WITH said AS (
    INSERT INTO observatory.workers (instance_id, heartbeat_at, document) VALUES ($1, observatory.now(), $2)
    ON CONFLICT (instance_id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, document = excluded.document
), forgotten AS (
    DELETE FROM observatory.workers
    WHERE instance_id <> $1 AND heartbeat_at < (SELECT observatory.now()) - make_interval(secs => $3)
), held AS (
    SELECT jobs.id FROM observatory.jobs
    JOIN unnest($4::text[], $5::bigint[]) AS given (id, fence) ON jobs.id = given.id AND jobs.fence = given.fence
    WHERE jobs.lease_expires_at IS NOT NULL
    ORDER BY jobs.id FOR UPDATE OF jobs
)
UPDATE observatory.jobs SET lease_expires_at = observatory.now() + make_interval(secs => $6)
FROM held WHERE jobs.id = held.id
RETURNING jobs.id, jobs.fence, jobs.cancel_requested_at IS NOT NULL;

-- name: end_leases_of_others — of every instance but these
UPDATE observatory.jobs SET lease_expires_at = (SELECT observatory.now())
WHERE lease_expires_at > (SELECT observatory.now()) AND worker <> ALL($1::text[]);

-- name: announce — in an order that two announcements share
INSERT INTO observatory.types (type, seen_at, document)
SELECT type, (SELECT observatory.now()), document FROM unnest($1::text[], $2::text[]) AS given (type, document)
ORDER BY type
ON CONFLICT (type) DO UPDATE SET seen_at = excluded.seen_at, document = excluded.document;
