-- works with: 001
-- Everything that one submission caused, by one seek.
CREATE INDEX jobs_by_correlation ON observatory.jobs (correlation_id, number);
