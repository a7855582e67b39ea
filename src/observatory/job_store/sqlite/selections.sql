-- Named queries of `Selections`. `{…}` marks are filled by the driver.

-- name: select — the driver names the index that holds the fewest others; only numbers are sorted, not rows
SELECT id, status, type, number FROM jobs
WHERE number IN (SELECT number FROM jobs {index} WHERE {conditions} ORDER BY number DESC LIMIT ?)
ORDER BY number DESC;

-- name: select_counts — what a bulk action would concern
SELECT status, type, count(*) FROM jobs {index}
WHERE {conditions} GROUP BY status, type ORDER BY status, type;

-- name: select_page — as above, with whole jobs
SELECT {columns}, number FROM jobs
WHERE number IN (SELECT number FROM jobs {index} WHERE {conditions} ORDER BY number DESC LIMIT ?)
ORDER BY number DESC;

-- name: select_jobs — the first ones of a list, in its order: a CROSS JOIN is not turned round
WITH asked (id) AS (VALUES {asked}), numbered AS (SELECT row_number() OVER () - 1 AS place, id FROM asked)
SELECT {columns}, place FROM numbered CROSS JOIN jobs USING (id);

-- name: first_retry — the oldest job that repeats another
SELECT id FROM jobs WHERE retry_of = ? ORDER BY number LIMIT 1;
