"""The peer's application: Procrastinate over the database that `PEER_POSTGRES_URL` names; finished jobs are kept."""

import os

from procrastinate import App, PsycopgConnector

from benchmarks.postgres_peers import starts

app = App(connector=PsycopgConnector(conninfo=os.environ["PEER_POSTGRES_URL"], min_size=1, max_size=10))


@app.task(name="noop")
async def noop(number: int) -> int:
    """Says that it began, and gives its number back."""
    return starts.note(number)
