"""
Campaigns against several processes on one PostgreSQL.

`python -m tests.chaos_postgres` kills, stops and cuts off under load and counts what was lost;
`python -m tests.chaos_postgres.outage` takes the database away for a while and says how long what takes.
"""
