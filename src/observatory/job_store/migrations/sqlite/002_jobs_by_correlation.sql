-- Everything that one submission caused, by one seek. Costs an insert about three in a hundred; a caller that waits
-- for many jobs asks this again and again, and would otherwise read the whole table each time.
CREATE INDEX jobs_by_correlation ON jobs (correlation_id);
