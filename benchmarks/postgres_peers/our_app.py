"""Our application of the comparison over PostgreSQL."""

from benchmarks.postgres_peers import starts
from observatory import JobContext, Observatory

app = Observatory()


@app.job("noop")
async def noop(ctx: JobContext, *, number: int) -> int:
    """Says that it began, and gives its number back."""
    return starts.note(number)
