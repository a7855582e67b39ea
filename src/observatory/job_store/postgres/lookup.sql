-- Named queries of the look-up of single jobs. `{…}` marks are filled by the driver.

-- name: jobs_by_ids — those that exist
SELECT {columns} FROM observatory.jobs WHERE id = ANY($1::text[]);

-- name: jobs_by_keys — earlier jobs with these idempotency keys
SELECT {columns}, fingerprint FROM observatory.jobs WHERE idempotency_key = ANY($1::text[]);
