"""The processor: runs the handlers of the built-in types and of the application."""

from dataclasses import dataclass

import msgspec

from observatory.edge.health import Check
from observatory.processor.runner import Runner
from observatory.processor.worker import Worker
from observatory.runtime.application import handlers_of
from observatory.runtime.ports import Ports
from observatory.runtime.roles import Role
from observatory.runtime.services.place import Place
from observatory.runtime.services.service import Service


@dataclass(frozen=True, kw_only=True)
class ProcessorService(Service):
    """With the worker, for who has to know what it runs."""

    worker: Worker


def processor_service(place: Place, ports: Ports) -> ProcessorService:
    """
    The processor over *ports*.

    Raises:
        BadSettings: The application cannot be found or imported, or redefines a built-in type.
    """
    runner = Runner(slots=place.settings.slots, clock=place.sources.clock, app_spec=place.settings.app)
    worker = Worker(
        store=ports.store_of(Role.PROCESSOR),
        bus=ports.bus,
        runner=runner,
        handlers=handlers_of(place.settings.app),
        info=msgspec.structs.replace(place.process_info(Role.PROCESSOR), slots=place.settings.slots),
        down=lambda: place.loops_down(worker.loops),
        prefetch=place.settings.prefetch,
        clock=place.sources.clock,
        randomness=place.sources.randomness,
        logs=ports.attempt_logs,
    )

    async def close() -> None:
        try:
            await worker.settle_the_rest()
        finally:
            await runner.stop()

    return ProcessorService(
        role=Role.PROCESSOR,
        worker=worker,
        loops=worker.loops,
        checks=[Check("job_store", ports.check)],
        begin=worker.announce,
        drain=worker.drain,
        close=close,
    )
