-- Named queries of the look-up of single jobs. `{…}` marks are filled by the driver.

-- name: jobs_by_ids — rows to change or to answer with
SELECT {columns} FROM jobs WHERE id IN ({values});

-- name: jobs_by_keys — earlier jobs with these idempotency keys
SELECT {columns}, fingerprint FROM jobs WHERE idempotency_key IN ({values});
