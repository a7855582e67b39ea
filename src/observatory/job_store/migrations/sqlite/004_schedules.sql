-- Schedules, and what became of each of their ticks.
CREATE TABLE schedules (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT    NOT NULL UNIQUE,
    version       INTEGER NOT NULL CHECK (version >= 1),
    generation    INTEGER NOT NULL CHECK (generation >= 1),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    covered_until INTEGER NOT NULL,
    next_tick_at  INTEGER,
    paused_at     INTEGER,
    paused_by     TEXT,
    skip_until    INTEGER,
    fired         INTEGER NOT NULL CHECK (fired >= 0),
    late          INTEGER NOT NULL CHECK (late >= 0),
    skipped       INTEGER NOT NULL CHECK (skipped >= 0),
    missed        INTEGER NOT NULL CHECK (missed >= 0),
    definition    TEXT    NOT NULL,
    CHECK (next_tick_at > covered_until)
) STRICT;

CREATE INDEX schedules_due ON schedules (next_tick_at) WHERE next_tick_at IS NOT NULL;

-- A row is one tick, or several in a row that share a fate and made no job. No tick has two rows: the first tick of a
-- row is unique, and a schedule's rows are written in the order of their ticks.
CREATE TABLE ticks (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    schedule     INTEGER NOT NULL REFERENCES schedules (number) ON DELETE CASCADE,
    tick_at      INTEGER NOT NULL,
    last_tick_at INTEGER NOT NULL,
    count        INTEGER NOT NULL CHECK (count >= 1),
    fate         TEXT    NOT NULL CHECK (fate IN ('fired', 'late', 'skipped', 'missed')),
    reason       TEXT,
    job_id       TEXT    UNIQUE,
    recorded_at  INTEGER NOT NULL,
    generation   INTEGER NOT NULL,
    UNIQUE (schedule, tick_at),
    CHECK ((count = 1) = (tick_at = last_tick_at)),
    CHECK ((job_id IS NULL) = (fate IN ('skipped', 'missed'))),
    CHECK (job_id IS NULL OR count = 1)
) STRICT;
