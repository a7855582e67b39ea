-- The end of what each attempt said. No part of the truth: it follows its job, and nothing is derived from it.
CREATE TABLE attempt_logs (
    job_id        TEXT    NOT NULL,
    fence         INTEGER NOT NULL CHECK (fence >= 1),
    attempt       INTEGER NOT NULL CHECK (attempt >= 1),
    is_complete   INTEGER NOT NULL CHECK (is_complete IN (0, 1)),
    saved_at      INTEGER NOT NULL,
    dropped_lines INTEGER NOT NULL CHECK (dropped_lines >= 0),
    dropped_bytes INTEGER NOT NULL CHECK (dropped_bytes >= 0),
    lines         TEXT    NOT NULL,
    PRIMARY KEY (job_id, fence)
) STRICT;
