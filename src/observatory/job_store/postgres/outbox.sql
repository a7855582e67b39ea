-- Named queries of `Outbox`. `{…}` marks are filled by the driver.

-- name: try_lock — until the end of the transaction, so that it works through a pooler too
SELECT pg_try_advisory_xact_lock($1);

-- name: move — the oldest staged events, in the order of their numbers and with the next positions
WITH batch AS (
    DELETE FROM observatory.outbox
    WHERE number IN (SELECT number FROM observatory.outbox WHERE {chosen} ORDER BY number LIMIT $1)
    RETURNING number, {columns}
), counted AS (
    SELECT count(*) AS count FROM batch
), given AS (
    UPDATE observatory.relay SET last_position = last_position + counted.count
    FROM counted WHERE counted.count > 0
    RETURNING last_position - counted.count AS before
), moved AS (
    INSERT INTO observatory.events (position, {columns})
    SELECT given.before + row_number() OVER (ORDER BY number), {columns} FROM batch, given
)
SELECT count FROM counted;

-- name: is_new — of a staged event: the history has none of its number
NOT EXISTS (
    SELECT FROM observatory.events WHERE events.job_id = outbox.job_id AND events.sequence = outbox.sequence
);

-- name: ends — of what is in the history and was not published: its first position less one, and its last
SELECT greatest($1::bigint, confirmed_position), last_position FROM observatory.published, observatory.relay;

-- name: confirmed — position up to which everything was published
SELECT confirmed_position FROM observatory.published;

-- name: confirm — a position that is forgotten only has its events published again, so nothing waits for the disk
WITH unsynced AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
UPDATE observatory.published SET confirmed_position = greatest(confirmed_position, $1)
FROM unsynced WHERE confirmed_position < $1;

-- name: waiting_since — of the oldest event that was not moved, or was moved and not published
SELECT least(
    (SELECT occurred_at FROM observatory.outbox ORDER BY number LIMIT 1),
    (SELECT occurred_at FROM observatory.events
     WHERE position > (SELECT confirmed_position FROM observatory.published) ORDER BY position LIMIT 1)
);
