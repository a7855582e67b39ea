-- The first schema. Instants are integer microseconds since 1970-01-01T00:00:00Z; JSON is stored as text.

CREATE TABLE migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    digest     TEXT NOT NULL
) STRICT;

-- The truth. The CHECKs repeat what core/lifecycle.py guarantees.
CREATE TABLE jobs (
    number              INTEGER PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE,
    type                TEXT    NOT NULL,
    status              TEXT    NOT NULL CHECK (status IN (
                            'SCHEDULED', 'PENDING', 'VALIDATED', 'EXECUTING', 'RETRYING',
                            'COMPLETED', 'FAILED', 'CANCELLED')),
    queue               TEXT    NOT NULL,
    priority            INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
    run_at              INTEGER NOT NULL,
    attempt             INTEGER NOT NULL CHECK (attempt BETWEEN 0 AND max_attempts),
    max_attempts        INTEGER NOT NULL CHECK (max_attempts >= 1),
    timeout_seconds     REAL    NOT NULL CHECK (timeout_seconds > 0),
    fence               INTEGER NOT NULL CHECK (fence >= 0),
    sequence            INTEGER NOT NULL CHECK (sequence >= 1),
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
    CHECK ((worker IS NULL) = (status NOT IN ('VALIDATED', 'EXECUTING'))),
    CHECK ((finished_at IS NULL) = (status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')))
) STRICT;

CREATE UNIQUE INDEX jobs_by_key ON jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_ready ON jobs (type, priority, run_at) WHERE status = 'PENDING';
CREATE INDEX jobs_delayed ON jobs (run_at) WHERE status IN ('SCHEDULED', 'RETRYING');
CREATE INDEX jobs_leased ON jobs (lease_expires_at) WHERE lease_expires_at IS NOT NULL;
CREATE INDEX jobs_open ON jobs (status, queue, run_at) WHERE status <> 'COMPLETED';
CREATE INDEX jobs_by_type ON jobs (type);

-- History and outbox in one. AUTOINCREMENT keeps positions dense and never reuses one:
-- its counter is part of the transaction.
CREATE TABLE events (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id         TEXT    NOT NULL,
    sequence       INTEGER NOT NULL CHECK (sequence >= 1),
    event_type     TEXT    NOT NULL,
    event_id       TEXT    NOT NULL,
    occurred_at    INTEGER NOT NULL,
    producer       TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL,
    causation_id   TEXT,
    traceparent    TEXT,
    payload        TEXT    NOT NULL,
    UNIQUE (job_id, sequence)
) STRICT;

CREATE TABLE workers (
    instance_id  TEXT    PRIMARY KEY,
    heartbeat_at INTEGER NOT NULL,
    document     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE types (
    type     TEXT    PRIMARY KEY,
    seen_at  INTEGER NOT NULL,
    document TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE views (
    name       TEXT    PRIMARY KEY,
    generation TEXT    NOT NULL,
    checkpoint INTEGER NOT NULL CHECK (checkpoint >= 0),
    document   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
