-- Named queries of `Outbox`.

-- name: head — the newest position
SELECT coalesce(max(position), 0) FROM events;
