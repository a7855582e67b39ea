-- Named queries of the folds of whole jobs. `{…}` marks are filled by the driver.

-- name: events_of_jobs — in order of job and sequence; of one job only those behind a sequence
SELECT event.* FROM unnest($3::text[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT {columns} FROM observatory.events
    WHERE job_id = asked.id AND sequence > CASE WHEN asked.id = $4::text THEN $5::bigint ELSE 0 END
    ORDER BY job_id, sequence LIMIT $1::bigint + 1
) AS event;
