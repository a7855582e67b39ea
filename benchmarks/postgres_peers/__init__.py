"""The comparison with Procrastinate and Celery over one PostgreSQL: `python -m benchmarks.postgres_peers`."""
