"""What a schema of PostgreSQL has, what of it a later one breaks, and what a statement means in it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

COLUMNS = """
SELECT relation.relname AS table, column_.attname AS name, format_type(column_.atttypid, column_.atttypmod) AS type,
    column_.attnotnull AND NOT column_.atthasdef AND column_.attidentity = '' AS must_be_given,
    column_.attnotnull AS is_never_null
FROM pg_attribute AS column_ JOIN pg_class AS relation ON relation.oid = column_.attrelid
WHERE relation.relnamespace = 'observatory'::regnamespace AND relation.relkind IN ('r', 'p')
    AND column_.attnum > 0 AND NOT column_.attisdropped
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text AS table, pg_get_constraintdef(oid) AS definition, (
    SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)
) AS columns
FROM pg_constraint WHERE connamespace = 'observatory'::regnamespace AND contype <> 'n'
"""
INDEXES = "SELECT tablename AS table, indexdef AS definition FROM pg_indexes WHERE schemaname = 'observatory'"
FUNCTIONS = """
SELECT pg_get_functiondef(oid) AS definition FROM pg_proc WHERE pronamespace = 'observatory'::regnamespace
"""
TRIGGERS = """
SELECT tgrelid::regclass::text AS table, pg_get_triggerdef(oid) AS definition
FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN (
    SELECT oid FROM pg_class WHERE relnamespace = 'observatory'::regnamespace)
"""


@dataclass(frozen=True)
class Schema:
    """Everything that a statement may run into."""

    columns: dict[tuple[str, str], Any] = field(hash=False)
    constraints: dict[tuple[str, str], list[str]] = field(hash=False)
    """By table and definition: the columns that it is about."""
    indexes: set[tuple[str, str]] = field(hash=False)
    functions: set[str] = field(hash=False)
    triggers: set[tuple[str, str]] = field(hash=False)


async def schema_of(connection: Any) -> Schema:
    """That of the database of *connection*."""
    await connection.execute("SET search_path = observatory")  # then no name of ours has a prefix
    columns = {(row["table"], row["name"]): tuple(row)[2:] for row in await connection.fetch(COLUMNS)}
    constraints = {(row["table"], row["definition"]): row["columns"] for row in await connection.fetch(CONSTRAINTS)}
    indexes, triggers = [{tuple(row) for row in await connection.fetch(sql)} for sql in (INDEXES, TRIGGERS)]
    functions = {row["definition"] for row in await connection.fetch(FUNCTIONS)}
    await connection.execute("RESET search_path")
    return Schema(columns, constraints, indexes, functions, triggers)


def broken(before: Schema, after: Schema) -> list[str]:
    """
    What could stop statements that were written for *before* when the schema is *after*; nothing when all go on.

    A statement may use whatever there was, may insert into every table without naming what came later, and may write
    whatever was allowed.
    """
    return sorted([*_gone(before, after), *_narrower(before, after)])


def _gone(before: Schema, after: Schema) -> Iterable[str]:
    for (table, name), was in before.columns.items():
        now = after.columns.get((table, name))
        if now is None:
            yield f"column {table}.{name} is gone"
        elif now[0] != was[0]:
            yield f"column {table}.{name} was {was[0]} and is {now[0]}"
    yield from (f"index is gone: {definition}" for _, definition in before.indexes - after.indexes)
    yield from (f"function is gone or another: {definition}" for definition in before.functions - after.functions)


def _narrower(before: Schema, after: Schema) -> Iterable[str]:
    tables = {table for table, _ in before.columns}
    for (table, name), now in after.columns.items():
        was = before.columns.get((table, name))
        if table in tables and now[1] and (was is None or not was[1]):
            yield f"column {table}.{name} must be given"
        elif was is not None and now[2] and not was[2]:
            yield f"column {table}.{name} takes no NULL any more"
    for (table, definition), about in after.constraints.items():
        is_new = (table, definition) not in before.constraints
        if table in tables and is_new and any((table, column) in before.columns for column in about or ["?"]):
            yield f"{table} has a further constraint: {definition}"
    for table, definition in after.indexes - before.indexes:
        if table in tables and definition.startswith("CREATE UNIQUE"):
            yield f"a further index is unique: {definition}"
    for table, definition in after.triggers - before.triggers:
        if table in tables:
            yield f"{table} has a further trigger: {definition}"


@dataclass(frozen=True)
class Meaning:
    """What a statement takes and gives."""

    parameters: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]


async def meaning(connection: Any, statement: str) -> Meaning:
    """
    What *statement* means in the database of *connection*, which also makes a plan for it. Nothing is carried out.

    Raises:
        asyncpg.PostgresError: It does not stand in this schema.
    """
    prepared = await connection.prepare(statement)
    parameters = tuple(str(one.name) for one in prepared.get_parameters())
    if not statement.startswith("LOCK "):
        # Only a plan says whether an ON CONFLICT finds its index.
        given = f"({', '.join(['NULL'] * len(parameters))})" if parameters else ""
        await connection.execute(f"PREPARE planned AS {statement}")
        await connection.execute(f"EXPLAIN EXECUTE planned{given}")
        await connection.execute("DEALLOCATE planned")
    return Meaning(parameters, tuple((one.name, str(one.type.name)) for one in prepared.get_attributes()))
