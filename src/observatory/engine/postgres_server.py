"""What is asked of the server itself, or told through it, in whichever transaction the caller has."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from observatory.core.errors import DatabaseUnusable, StoreUnavailable
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_database import Statements

SQL = load_queries(Path(__file__).with_suffix(".sql"))


async def place_of(statements: Statements) -> tuple[Any, ...]:
    """Which schema answers: to be compared. Another one after it was made anew, in a copy, or after a start."""
    [row] = await statements.fetch(SQL["place"])
    return tuple(row)


async def now_of(statements: Statements) -> datetime:
    """The store's clock, in UTC."""
    at: str = await statements.fetchval(SQL["now"])
    return datetime.fromisoformat(at).replace(tzinfo=UTC)


async def check_takes_writes(statements: Statements) -> None:
    """
    One statement, which reads no table of ours.

    Raises:
        StoreUnavailable: The server only reads.
        DatabaseUnusable: The role may not write jobs. Without a schema that is not known.
    """
    [(takes_writes, without_rights)] = await statements.fetch(SQL["takes_writes"])
    if not takes_writes:
        raise StoreUnavailable(
            "PostgreSQL: this server is read-only (a standby, or default_transaction_read_only is on)"
        )
    if without_rights is not None:
        raise DatabaseUnusable(
            f"the role {without_rights} may not write observatory.jobs",
            "as the owner of the schema:  GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA observatory TO "
            f'"{without_rights}"  (Rights in docs/operations.md)',
        )


async def tell_at_commit(statements: Statements, notices: Sequence[tuple[str, str]]) -> None:
    """
    Tell *notices*, each a channel and a text, once the transaction of the caller is committed.

    That commit, and every other one with notices in the whole server, then waits for the one before to be durable.
    """
    channels, texts = zip(*notices, strict=True)
    await statements.fetch(SQL["tell"], list(channels), list(texts))
