"""What the gateway knows of the announced types: at most `limits.TYPES_CACHE_S` old."""

import asyncio

import msgspec

from observatory.core import limits
from observatory.core.handler import TypeInfo
from observatory.core.job import JsonObject
from observatory.core.sources import Clock
from observatory.edge.problem import InvalidFields
from observatory.gateway.payload_schema import PayloadCheck, payload_check
from observatory.job_store.port import JobQueries


class TypeCatalog:
    """Announced types by name, read again when they are old."""

    def __init__(self, queries: JobQueries, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock
        self._infos: dict[str, TypeInfo] = {}
        self._checks: dict[bytes, PayloadCheck | None] = {}
        """By the text of the schema: the same announcement again compiles nothing."""
        self._old_at_s: float | None = None
        self._reading = asyncio.Lock()

    async def info(self, job_type: str) -> TypeInfo | None:
        """
        What is known of *job_type*; None when no processor announced it.

        Raises:
            StoreUnavailable: It was time to read them again.
        """
        if self._is_old():
            async with self._reading:
                if self._is_old():
                    await self._read()
        return self._infos.get(job_type)

    def is_known(self, job_type: str) -> bool:
        """True when some processor had announced *job_type* by the last reading."""
        return job_type in self._infos

    def check_payload(self, info: TypeInfo, payload: JsonObject) -> None:
        """
        Hold *payload* to the schema of its type.

        Raises:
            InvalidFields: With pointers that begin with `/payload`.
        """
        if info.payload_schema is None:
            return
        key = msgspec.json.encode(info.payload_schema)
        if key not in self._checks:
            self._checks[key] = payload_check(info.payload_schema)
        check = self._checks[key]
        if check is not None and (faults := check(payload)):
            raise InvalidFields(faults)

    def _is_old(self) -> bool:
        return self._old_at_s is None or self._clock.monotonic() >= self._old_at_s

    async def _read(self) -> None:
        known = await self._queries.types()
        self._infos = {one.info.type: one.info for one in known}
        in_use = {msgspec.json.encode(one.payload_schema) for one in self._infos.values() if one.payload_schema}
        self._checks = {key: check for key, check in self._checks.items() if key in in_use}
        self._old_at_s = self._clock.monotonic() + limits.TYPES_CACHE_S
