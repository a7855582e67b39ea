-- Named queries of accepting jobs. `{…}` marks are filled by the driver.

-- name: accept — the rows that nobody has accepted before, and their events; in the order of their numbers
WITH patience AS MATERIALIZED (
    SELECT CASE WHEN {lock_timeout} IS NOT NULL THEN set_config('lock_timeout', {lock_timeout}, true) END
), given AS (
    SELECT given.* FROM patience
    CROSS JOIN {given} WITH ORDINALITY AS given ({columns}, causation_id, event_payload, place)
), accepted AS (
    INSERT INTO observatory.jobs ({columns}) SELECT {columns} FROM given ORDER BY place
    ON CONFLICT DO NOTHING
    RETURNING id
), staged AS (
    INSERT INTO observatory.outbox (
        job_id, sequence, event_type, event_id, occurred_at, producer, correlation_id, causation_id, traceparent, payload
    )
    SELECT id, 1, 'job.created', event_id, created_at, {producer}, correlation_id, causation_id, traceparent, event_payload
    FROM given JOIN accepted USING (id) ORDER BY place
)
SELECT id FROM accepted;
