-- works with: 001
-- How the tables are kept that change all the time. The outbox is emptied as fast as it fills, so the share of dead rows
-- says nothing about it; jobs change a few times each and then rest.
ALTER TABLE observatory.outbox SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
ALTER TABLE observatory.jobs SET (
    fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 1);
ALTER TABLE observatory.relay SET (
    fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE observatory.published SET (
    fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE observatory.workers SET (fillfactor = 50);
ALTER TABLE observatory.views SET (fillfactor = 50);
