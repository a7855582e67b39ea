-- works with: 001
-- The end of what each attempt said. No part of the truth: it follows its job, and nothing is derived from it.
CREATE TABLE observatory.attempt_logs (
    job_id        text        COLLATE "C" NOT NULL,
    fence         bigint      NOT NULL CHECK (fence >= 1),
    attempt       integer     NOT NULL CHECK (attempt >= 1),
    is_complete   boolean     NOT NULL,
    saved_at      timestamptz NOT NULL,
    dropped_lines bigint      NOT NULL CHECK (dropped_lines >= 0),
    dropped_bytes bigint      NOT NULL CHECK (dropped_bytes >= 0),
    lines         text        NOT NULL,
    PRIMARY KEY (job_id, fence)
);
