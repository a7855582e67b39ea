-- What retention needs.

-- Expired jobs by one seek for each type and status. Only final jobs stand in it, so that accepting a job costs nothing.
CREATE INDEX jobs_final ON jobs (type, status, finished_at) WHERE finished_at IS NOT NULL;

-- What the events of pruned jobs added to each view, so that the view can still be made anew. The numbers and the sum
-- of their positions account for the gaps that pruning leaves in the log.
CREATE TABLE pruned (
    view          TEXT    PRIMARY KEY,
    jobs          INTEGER NOT NULL CHECK (jobs >= 0),
    events        INTEGER NOT NULL CHECK (events >= jobs),
    positions_sum INTEGER NOT NULL CHECK (positions_sum >= 0),
    document      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Which history the positions belong to: another one after a backup was brought back.
CREATE TABLE history (
    generation TEXT NOT NULL
) STRICT;
INSERT INTO history (generation) VALUES (lower(hex(randomblob(16))));
