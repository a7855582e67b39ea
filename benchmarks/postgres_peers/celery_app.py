"""The peer's application: Celery over the broker that `PEER_AMQP_URL` names, with its results in PostgreSQL."""

import os

from celery import Celery

from benchmarks.postgres_peers import starts

DATABASE = os.environ["PEER_POSTGRES_URL"].replace("postgresql://", "db+postgresql+psycopg://")

app = Celery("celery_app", broker=os.environ["PEER_AMQP_URL"], backend=DATABASE)
app.conf.update(broker_connection_retry_on_startup=True, task_ignore_result=False)


@app.task(name="noop")
def noop(number: int) -> int:
    """Says that it began, and gives its number back."""
    return starts.note(number)
