-- The same jobs in a table that takes a new one sooner. The defaults are those of a job that was just accepted, so that
-- an insert names only what it has. For a list of more than two values SQLite builds a table and searches it for each
-- row, so the CHECKs compare each value by itself.
CREATE TABLE new_jobs (
    number              INTEGER PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE,
    type                TEXT    NOT NULL,
    status              TEXT    NOT NULL CHECK (
                            status = 'PENDING' OR status = 'COMPLETED' OR status = 'EXECUTING'
                            OR status = 'VALIDATED' OR status = 'SCHEDULED' OR status = 'RETRYING'
                            OR status = 'FAILED' OR status = 'CANCELLED'),
    queue               TEXT    NOT NULL,
    priority            INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
    run_at              INTEGER NOT NULL,
    attempt             INTEGER NOT NULL DEFAULT 0 CHECK (attempt BETWEEN 0 AND max_attempts),
    max_attempts        INTEGER NOT NULL CHECK (max_attempts >= 1),
    timeout_seconds     REAL    NOT NULL CHECK (timeout_seconds > 0),
    fence               INTEGER NOT NULL DEFAULT 0 CHECK (fence >= 0),
    sequence            INTEGER NOT NULL DEFAULT 1 CHECK (sequence >= 1),
    worker              TEXT,
    lease_expires_at    INTEGER,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    started_at          INTEGER,
    finished_at         INTEGER,
    cancel_requested_at INTEGER,
    event_id            TEXT    NOT NULL,
    correlation_id      TEXT    NOT NULL,
    idempotency_key     TEXT,
    fingerprint         TEXT    NOT NULL,
    retry_of            TEXT,
    traceparent         TEXT,
    payload             TEXT    NOT NULL,
    metadata            TEXT,
    progress            TEXT,
    result              TEXT,
    error               TEXT,
    CHECK ((worker IS NULL) = (lease_expires_at IS NULL)),
    CHECK ((worker IS NOT NULL) = (status = 'EXECUTING' OR status = 'VALIDATED')),
    CHECK ((finished_at IS NOT NULL) = (status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED'))
) STRICT;

INSERT INTO new_jobs SELECT * FROM jobs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;

CREATE UNIQUE INDEX jobs_by_key ON jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_ready ON jobs (type, queue, priority, run_at) WHERE status = 'PENDING';
CREATE INDEX jobs_delayed ON jobs (run_at) WHERE status IN ('SCHEDULED', 'RETRYING');
CREATE INDEX jobs_leased ON jobs (lease_expires_at) WHERE lease_expires_at IS NOT NULL;
CREATE INDEX jobs_open ON jobs (status, queue, run_at) WHERE status <> 'COMPLETED';
CREATE INDEX jobs_by_type ON jobs (type);
CREATE INDEX jobs_by_correlation ON jobs (correlation_id);
CREATE INDEX jobs_final ON jobs (type, status, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (status) WHERE status = 'FAILED';
CREATE INDEX jobs_retries ON jobs (retry_of) WHERE retry_of IS NOT NULL;
