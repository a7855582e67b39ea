-- Named queries of `Selections`. `{…}` marks are filled by the driver.

-- name: select_counts — what a bulk action would concern
SELECT status, type, count(*) FROM observatory.jobs
WHERE {conditions} GROUP BY status, type ORDER BY status, type;

-- name: select_jobs — the first ones of a list, in its order
SELECT job.*, asked.place AS place_asked FROM unnest($3::text[]) WITH ORDINALITY AS asked (id, place)
CROSS JOIN LATERAL (SELECT {columns} FROM observatory.jobs WHERE id = asked.id LIMIT 1) AS job;

-- name: first_retry — the oldest job that repeats another
SELECT id FROM observatory.jobs WHERE retry_of = $1 ORDER BY retry_of, number LIMIT 1;
