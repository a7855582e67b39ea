-- Named queries of `EventLog`.

-- name: hold — keep the relay from giving positions until the transaction ends
SELECT last_position FROM observatory.relay FOR UPDATE;

-- name: reach — the history goes at least as far
UPDATE observatory.relay SET last_position = $1 WHERE last_position < $1;

-- name: head — the newest position
SELECT coalesce((SELECT position FROM observatory.events ORDER BY position DESC LIMIT 1), 0);

-- name: highest_given — the newest position that was ever given
SELECT last_position FROM observatory.relay;

-- name: generation — which history the positions belong to
SELECT generation FROM observatory.history;
