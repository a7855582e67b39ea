-- works with: 001
-- Expired jobs by one seek for each type and status. Only final jobs stand in it, so that accepting a job costs nothing.
CREATE INDEX jobs_final ON observatory.jobs (type, status, finished_at) WHERE finished_at IS NOT NULL;

-- What the events of pruned jobs added to each view, so that the view can still be made anew. The numbers and the sum
-- of their positions account for the gaps that pruning leaves in the log.
CREATE TABLE observatory.pruned (
    view          text    COLLATE "C" PRIMARY KEY,
    jobs          bigint  NOT NULL CHECK (jobs >= 0),
    events        bigint  NOT NULL CHECK (events >= jobs),
    positions_sum numeric NOT NULL CHECK (positions_sum >= 0),
    document      text    NOT NULL
);

-- Which history the positions belong to: another one after a backup was brought back.
CREATE TABLE observatory.history (
    generation text NOT NULL
);
INSERT INTO observatory.history (generation) VALUES (replace(gen_random_uuid()::text, '-', ''));
