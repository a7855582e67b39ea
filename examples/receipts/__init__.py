"""A shop that sends receipts: the same jobs with Celery and with the Observatory. See docs/coming-from-celery.md."""
