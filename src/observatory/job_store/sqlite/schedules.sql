-- Named queries of `Schedules`. `{…}` marks are filled by the driver.

-- name: by_name — one schedule with the newest row of its ticks
SELECT {columns} FROM schedules s
LEFT JOIN ticks t ON t.number = (SELECT max(number) FROM ticks WHERE schedule = s.number)
WHERE s.name = ?;

-- name: page — in the order of creation
SELECT {columns} FROM schedules s
LEFT JOIN ticks t ON t.number = (SELECT max(number) FROM ticks WHERE schedule = s.number)
WHERE s.number > ? ORDER BY s.number LIMIT ?;

-- name: names — all of them
SELECT name FROM schedules ORDER BY number;

-- name: due — the one that waits longest first
SELECT name FROM schedules WHERE next_tick_at IS NOT NULL AND next_tick_at <= ? ORDER BY next_tick_at, number;

-- name: next_due — the first tick that is still to come
SELECT min(next_tick_at) FROM schedules WHERE next_tick_at IS NOT NULL AND next_tick_at > ?;

-- name: count — how many schedules there are
SELECT count(*) FROM schedules;

-- name: insert — a new schedule, unless the name is taken
INSERT INTO schedules (
    name, version, generation, created_at, updated_at, covered_until, next_tick_at, paused_at, paused_by, skip_until,
    fired, late, skipped, missed, definition
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO NOTHING;

-- name: update — if the schedule is still as it was read
UPDATE schedules SET
    version = ?, generation = ?, created_at = ?, updated_at = ?, covered_until = ?, next_tick_at = ?, paused_at = ?,
    paused_by = ?, skip_until = ?, fired = ?, late = ?, skipped = ?, missed = ?, definition = ?
WHERE name = ? AND version = ?
RETURNING number;

-- name: delete — its ticks go with it
DELETE FROM schedules WHERE name = ?;

-- name: grow_range — the newest row of ticks, if the next range goes on where it ends
UPDATE ticks SET last_tick_at = ?, count = count + ?, recorded_at = ?
WHERE number = (SELECT max(number) FROM ticks WHERE schedule = ?)
    AND job_id IS NULL AND fate = ? AND reason IS ? AND generation = ?;

-- name: insert_tick — the fate of a tick or of a range
INSERT INTO ticks (schedule, tick_at, last_tick_at, count, fate, reason, job_id, recorded_at, generation)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: count_ticks — how many rows a schedule has
SELECT count(*) FROM ticks WHERE schedule = ?;

-- name: prune_ticks — the oldest rows
DELETE FROM ticks WHERE number IN (SELECT number FROM ticks WHERE schedule = ? ORDER BY number LIMIT ?);

-- name: ticks — newest first
SELECT {columns}, number FROM ticks t
WHERE schedule = (SELECT number FROM schedules WHERE name = ?) AND number < ?
ORDER BY number DESC LIMIT ?;
