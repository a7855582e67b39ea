-- The first schema. JSON is stored as text, exactly as it was accepted. Instants come from the server's clock.
--
-- Jobs and events have no foreign keys, and their primary keys begin with the id of the job, whose first half is
-- the time at which it was made: both tables can be divided by ranges of it without a change of any statement.

CREATE SCHEMA IF NOT EXISTS observatory;

CREATE TABLE observatory.migrations (
    number     integer PRIMARY KEY,
    name       text    NOT NULL,
    digest     text    NOT NULL,
    -- The oldest schema whose releases go on working after this migration.
    works_with integer NOT NULL
);

-- The one clock: it rules leases, due times and what is written down about them. It goes on during a transaction.
CREATE FUNCTION observatory.now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS 'SELECT clock_timestamp()';

-- The truth. The CHECKs repeat what core/lifecycle.py guarantees. The defaults are those of a job that was accepted.
CREATE TABLE observatory.jobs (
    id                  text             COLLATE "C" PRIMARY KEY,
    number              bigint           GENERATED ALWAYS AS IDENTITY,
    type                text             COLLATE "C" NOT NULL,
    status              text             COLLATE "C" NOT NULL CHECK (status IN (
                            'SCHEDULED', 'PENDING', 'VALIDATED', 'EXECUTING', 'RETRYING',
                            'COMPLETED', 'FAILED', 'CANCELLED')),
    queue               text             COLLATE "C" NOT NULL,
    priority            smallint         NOT NULL CHECK (priority BETWEEN 0 AND 9),
    run_at              timestamptz      NOT NULL,
    attempt             integer          NOT NULL DEFAULT 0 CHECK (attempt BETWEEN 0 AND max_attempts),
    max_attempts        integer          NOT NULL CHECK (max_attempts >= 1),
    timeout_seconds     double precision NOT NULL CHECK (timeout_seconds > 0),
    fence               bigint           NOT NULL DEFAULT 0 CHECK (fence >= 0),
    sequence            bigint           NOT NULL DEFAULT 1 CHECK (sequence >= 1),
    worker              text             COLLATE "C",
    lease_expires_at    timestamptz,
    created_at          timestamptz      NOT NULL,
    updated_at          timestamptz      NOT NULL,
    started_at          timestamptz,
    finished_at         timestamptz,
    cancel_requested_at timestamptz,
    event_id            text             COLLATE "C" NOT NULL,
    correlation_id      text             COLLATE "C" NOT NULL,
    idempotency_key     text             COLLATE "C",
    fingerprint         text             COLLATE "C" NOT NULL,
    retry_of            text             COLLATE "C",
    traceparent         text             COLLATE "C",
    payload             text             NOT NULL,
    metadata            text,
    progress            text,
    result              text,
    error               text,
    -- Of the error, so that nobody has to look into its text, which may be damaged.
    error_type          text             COLLATE "C",
    CHECK ((worker IS NULL) = (lease_expires_at IS NULL)),
    CHECK ((worker IS NOT NULL) = (status IN ('VALIDATED', 'EXECUTING'))),
    CHECK ((finished_at IS NOT NULL) = (status IN ('COMPLETED', 'FAILED', 'CANCELLED')))
);

CREATE UNIQUE INDEX jobs_by_number ON observatory.jobs (number);
CREATE UNIQUE INDEX jobs_by_key ON observatory.jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_ready ON observatory.jobs (type, queue, priority, run_at, number) WHERE status = 'PENDING';
CREATE INDEX jobs_delayed ON observatory.jobs (run_at, id) WHERE status IN ('SCHEDULED', 'RETRYING');
CREATE INDEX jobs_leased ON observatory.jobs (lease_expires_at) WHERE lease_expires_at IS NOT NULL;
CREATE INDEX jobs_open ON observatory.jobs (status, number, queue, run_at) WHERE status <> 'COMPLETED';
CREATE INDEX jobs_by_type ON observatory.jobs (type, number);

-- Events of committed transactions on their way into the history. The relay moves them there, in the order of `number`
-- and with the next positions; rows that become visible late are moved late, and none is passed over.
CREATE TABLE observatory.outbox (
    number         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id         text        COLLATE "C" NOT NULL,
    sequence       bigint      NOT NULL CHECK (sequence >= 1),
    event_type     text        COLLATE "C" NOT NULL,
    event_id       text        COLLATE "C" NOT NULL,
    occurred_at    timestamptz NOT NULL,
    producer       text        COLLATE "C" NOT NULL,
    correlation_id text        COLLATE "C" NOT NULL,
    causation_id   text        COLLATE "C",
    traceparent    text        COLLATE "C",
    payload        text        NOT NULL
);

-- A job's newest events by one seek, however many wait. And two events of one number fail where they are written, not at
-- the relay, which could go no further.
CREATE UNIQUE INDEX outbox_by_job ON observatory.outbox (job_id, sequence);

-- The history.
CREATE TABLE observatory.events (
    position       bigint      NOT NULL,
    job_id         text        COLLATE "C" NOT NULL,
    sequence       bigint      NOT NULL CHECK (sequence >= 1),
    event_type     text        COLLATE "C" NOT NULL,
    event_id       text        COLLATE "C" NOT NULL,
    occurred_at    timestamptz NOT NULL,
    producer       text        COLLATE "C" NOT NULL,
    correlation_id text        COLLATE "C" NOT NULL,
    causation_id   text        COLLATE "C",
    traceparent    text        COLLATE "C",
    payload        text        NOT NULL,
    PRIMARY KEY (job_id, sequence)
);

CREATE UNIQUE INDEX events_by_position ON observatory.events (position);

-- How far the history goes. One row, locked by whoever gives positions.
CREATE TABLE observatory.relay (
    is_only       boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    last_position bigint  NOT NULL DEFAULT 0 CHECK (last_position >= 0)
);
INSERT INTO observatory.relay DEFAULT VALUES;

-- How far it was published. One row.
CREATE TABLE observatory.published (
    is_only            boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    confirmed_position bigint  NOT NULL DEFAULT 0 CHECK (confirmed_position >= 0)
);
INSERT INTO observatory.published DEFAULT VALUES;

CREATE TABLE observatory.workers (
    instance_id  text        COLLATE "C" PRIMARY KEY,
    heartbeat_at timestamptz NOT NULL,
    document     text        NOT NULL
);

CREATE TABLE observatory.types (
    type     text        COLLATE "C" PRIMARY KEY,
    seen_at  timestamptz NOT NULL,
    document text        NOT NULL
);

CREATE TABLE observatory.views (
    name       text   COLLATE "C" PRIMARY KEY,
    generation text   COLLATE "C" NOT NULL,
    checkpoint bigint NOT NULL CHECK (checkpoint >= 0),
    document   text   NOT NULL
);
