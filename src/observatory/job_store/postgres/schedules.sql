-- Named queries of `Schedules`. `{…}` marks are filled by the driver.

-- name: by_name — one schedule with the newest row of its ticks
SELECT {columns} FROM observatory.schedules s
LEFT JOIN LATERAL (SELECT * FROM observatory.ticks WHERE schedule = s.number ORDER BY number DESC LIMIT 1) t ON true
WHERE s.name = $1;

-- name: page — in the order of creation
SELECT {columns} FROM (
    SELECT * FROM observatory.schedules WHERE number > $3 ORDER BY number LIMIT $1::bigint + 1
) s
LEFT JOIN LATERAL (SELECT * FROM observatory.ticks WHERE schedule = s.number ORDER BY number DESC LIMIT 1) t ON true;

-- name: names — all of them
SELECT name FROM observatory.schedules ORDER BY number;

-- name: due — now, who waits for it, the one that waits longest first, and the first tick that is still to come
WITH clock AS MATERIALIZED (SELECT observatory.now() AS instant)
SELECT
    instant,
    ARRAY(SELECT name FROM observatory.schedules WHERE next_tick_at <= instant ORDER BY next_tick_at, number),
    (SELECT next_tick_at FROM observatory.schedules WHERE next_tick_at > instant ORDER BY next_tick_at LIMIT 1)
FROM clock;

-- name: lock — whoever makes a schedule waits for the one before, so that no two count the same; saves do not wait
LOCK TABLE observatory.schedules IN SHARE UPDATE EXCLUSIVE MODE;

-- name: count — how many schedules there are
SELECT count(*) FROM observatory.schedules;

-- name: insert — a new schedule, unless the name is taken
INSERT INTO observatory.schedules (
    name, version, generation, created_at, updated_at, covered_until, next_tick_at, paused_at, paused_by, skip_until,
    fired, late, skipped, missed, definition
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (name) DO NOTHING RETURNING number;

-- name: update — if the schedule is still as it was read; its row is locked until its ticks are written
UPDATE observatory.schedules SET
    version = $3, generation = $4, created_at = $5, updated_at = $6, covered_until = $7, next_tick_at = $8,
    paused_at = $9, paused_by = $10, skip_until = $11, fired = $12, late = $13, skipped = $14, missed = $15,
    definition = $16
WHERE name = $1 AND version = $2
RETURNING number;

-- name: delete — its ticks go with it
DELETE FROM observatory.schedules WHERE name = $1 RETURNING number;

-- name: grow_range — the newest row of ticks, if the next range goes on where it ends
UPDATE observatory.ticks SET last_tick_at = $2, count = count + $3, recorded_at = $4
WHERE number = (SELECT number FROM observatory.ticks WHERE schedule = $1 ORDER BY number DESC LIMIT 1)
    AND job_id IS NULL AND fate = $5 AND reason IS NOT DISTINCT FROM $6 AND generation = $7
RETURNING number;

-- name: insert_ticks — the fates of ticks or ranges, in their order
INSERT INTO observatory.ticks (schedule, tick_at, last_tick_at, count, fate, reason, job_id, recorded_at, generation)
SELECT $1, given.* FROM {given} AS given;

-- name: count_ticks — how many rows a schedule has
SELECT count(*) FROM observatory.ticks WHERE schedule = $1;

-- name: prune_ticks — so many of the oldest rows
DELETE FROM observatory.ticks WHERE schedule = $1 AND number <= (
    SELECT number FROM observatory.ticks WHERE schedule = $1 ORDER BY number OFFSET $2::bigint - 1 LIMIT 1
);

-- name: ticks — newest first
SELECT {columns}, t.number FROM observatory.ticks t
WHERE schedule = (SELECT number FROM observatory.schedules WHERE name = $1) AND t.number < $2
ORDER BY schedule, t.number DESC LIMIT $3;
