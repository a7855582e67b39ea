"""Which job the running code belongs to, for what a handler calls without handing its context on."""

from contextvars import ContextVar

from observatory.processor.context import JobContext

current_job: ContextVar[JobContext | None] = ContextVar("current job", default=None)
"""
Set before a handler is called, in the context that it runs in: its coroutine's task, its thread, its child process.
None outside of handlers, and in threads that a handler starts without `contextvars.copy_context`.
"""
