-- Named queries of `Outbox`.

-- name: head — the newest position
SELECT coalesce(max(position), 0) FROM events;

-- name: waiting — the oldest event behind a position
SELECT occurred_at FROM events WHERE position > ? ORDER BY position LIMIT 1;
