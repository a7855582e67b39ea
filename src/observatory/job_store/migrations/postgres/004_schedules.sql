-- works with: 001
-- Schedules, and what became of each of their ticks.
CREATE TABLE observatory.schedules (
    number        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text        COLLATE "C" NOT NULL UNIQUE,
    version       bigint      NOT NULL CHECK (version >= 1),
    generation    bigint      NOT NULL CHECK (generation >= 1),
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    covered_until timestamptz NOT NULL,
    next_tick_at  timestamptz,
    paused_at     timestamptz,
    paused_by     text,
    skip_until    timestamptz,
    fired         bigint      NOT NULL CHECK (fired >= 0),
    late          bigint      NOT NULL CHECK (late >= 0),
    skipped       bigint      NOT NULL CHECK (skipped >= 0),
    missed        bigint      NOT NULL CHECK (missed >= 0),
    definition    text        NOT NULL,
    CHECK (next_tick_at > covered_until)
);

CREATE INDEX schedules_due ON observatory.schedules (next_tick_at) WHERE next_tick_at IS NOT NULL;

-- A row is one tick, or several in a row that share a fate and made no job. No tick has two rows: the first tick of a
-- row is unique, and a schedule's rows are written in the order of their ticks, while the schedule's row is locked.
CREATE TABLE observatory.ticks (
    number       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule     bigint      NOT NULL REFERENCES observatory.schedules (number) ON DELETE CASCADE,
    tick_at      timestamptz NOT NULL,
    last_tick_at timestamptz NOT NULL,
    count        bigint      NOT NULL CHECK (count >= 1),
    fate         text        COLLATE "C" NOT NULL CHECK (fate IN ('fired', 'late', 'skipped', 'missed')),
    reason       text        COLLATE "C",
    job_id       text        COLLATE "C" UNIQUE,
    recorded_at  timestamptz NOT NULL,
    generation   bigint      NOT NULL,
    UNIQUE (schedule, tick_at),
    CHECK ((count = 1) = (tick_at = last_tick_at)),
    CHECK ((job_id IS NULL) = (fate IN ('skipped', 'missed'))),
    CHECK (job_id IS NULL OR count = 1)
);

CREATE INDEX ticks_in_order ON observatory.ticks (schedule, number);
