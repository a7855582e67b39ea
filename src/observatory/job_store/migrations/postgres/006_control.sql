-- works with: 001
-- What was set for a queue. A queue without a row is open and has no limit.
CREATE TABLE observatory.queues (
    queue           text        COLLATE "C" PRIMARY KEY,
    paused_at       timestamptz,
    paused_by       text,
    pause_reason    text,
    concurrency_max integer     CHECK (concurrency_max >= 1),
    CHECK ((paused_at IS NULL) = (paused_by IS NULL)),
    CHECK (pause_reason IS NULL OR paused_at IS NOT NULL),
    CHECK (paused_at IS NOT NULL OR concurrency_max IS NOT NULL)
);

-- Whether a job was repeated.
CREATE INDEX jobs_retries ON observatory.jobs (retry_of, number) WHERE retry_of IS NOT NULL;
