-- What was set for a queue. A queue without a row is open and has no limit.
CREATE TABLE queues (
    queue           TEXT    PRIMARY KEY,
    paused_at       INTEGER,
    paused_by       TEXT,
    pause_reason    TEXT,
    concurrency_max INTEGER CHECK (concurrency_max >= 1),
    CHECK ((paused_at IS NULL) = (paused_by IS NULL)),
    CHECK (pause_reason IS NULL OR paused_at IS NOT NULL),
    CHECK (paused_at IS NOT NULL OR concurrency_max IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- A claim goes from queue to queue of its types by one seek each, so that a queue from which nothing may be claimed
-- costs as much with a million jobs as with one.
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (type, queue, priority, run_at) WHERE status = 'PENDING';

-- Failed jobs in the order of acceptance, and whether one was repeated.
CREATE INDEX jobs_failed ON jobs (status) WHERE status = 'FAILED';
CREATE INDEX jobs_retries ON jobs (retry_of) WHERE retry_of IS NOT NULL;
