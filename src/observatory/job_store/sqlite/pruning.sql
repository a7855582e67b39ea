-- Named queries of `Pruning`.

-- name: next_type — the types of final jobs, one by one; as bytes, because damaged text must not stop the walk
SELECT CAST(type AS BLOB) FROM jobs
WHERE finished_at IS NOT NULL AND type > CAST(? AS TEXT)
ORDER BY type LIMIT 1;

-- name: finished — jobs of one type and status, the longest final first
SELECT number, id, sequence FROM jobs
WHERE finished_at IS NOT NULL AND type = ? AND status = ? AND finished_at <= ?
ORDER BY finished_at LIMIT ?;

-- name: longest_finished — as above; the owner of the newest event does not count
SELECT finished_at FROM jobs
WHERE finished_at IS NOT NULL AND type = ? AND status = ? AND finished_at <= ?
AND id IS NOT (SELECT job_id FROM events ORDER BY position DESC LIMIT 1)
ORDER BY finished_at LIMIT 1;

-- name: last_position — of one job; sequence and position rise together
SELECT position FROM events WHERE job_id = ? ORDER BY sequence DESC LIMIT 1;

-- name: events_of_job — to be folded
SELECT {columns} FROM events WHERE job_id = ? ORDER BY sequence;

-- name: is_here — whether a job still exists
SELECT 1 FROM jobs WHERE number = ?;

-- name: positions — whether the events are those that were folded; answered by the index alone
SELECT count(*), coalesce(sum(position), 0) FROM events WHERE job_id = ?;

-- name: view — where the view stands
SELECT generation, checkpoint FROM views WHERE name = ?;

-- name: delete_job — only a final one
DELETE FROM jobs WHERE id = ? AND finished_at IS NOT NULL;

-- name: delete_of_job — what belongs to it, from one table
DELETE FROM {table} WHERE job_id = ?;

-- name: rollup — of one view
SELECT jobs, events, positions_sum, document FROM pruned WHERE view = ?;

-- name: save_rollup — replaces it
INSERT INTO pruned (view, jobs, events, positions_sum, document) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (view) DO UPDATE SET jobs = excluded.jobs, events = excluded.events,
    positions_sum = excluded.positions_sum, document = excluded.document;

-- name: free_pages — free ones, all, bytes of each, and 2 when the file can give them back one by one
SELECT (SELECT freelist_count FROM pragma_freelist_count), (SELECT page_count FROM pragma_page_count),
    (SELECT page_size FROM pragma_page_size), (SELECT auto_vacuum FROM pragma_auto_vacuum);

-- name: give_back — the driver's own statement ends after one page, whatever number it is given
PRAGMA incremental_vacuum(1);
