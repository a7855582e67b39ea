"""The event loop of our processes: uvloop where it exists, else the standard library's."""

import asyncio


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A fresh loop, for `asyncio.Runner(loop_factory=new_event_loop)`."""
    try:
        import uvloop  # noqa: PLC0415  it does not exist on Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def event_loop_called() -> str:
    """Which one `new_event_loop` gives, for people."""
    try:
        import uvloop  # noqa: PLC0415  as above
    except ImportError:
        return "asyncio"
    return f"uvloop {uvloop.__version__}"
