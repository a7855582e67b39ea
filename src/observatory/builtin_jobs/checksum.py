"""`checksum`: the SHA-256 of a file on the processor's machine."""

import hashlib
from pathlib import Path

from observatory.core.job import JsonObject
from observatory.core.retry import Discard
from observatory.processor.context import JobContext
from observatory.sdk.app import Observatory

app = Observatory()

_CHUNK_BYTES = 1024 * 1024
_NEVER_READABLE = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


@app.job("checksum", runs_in="thread")
def checksum(ctx: JobContext, *, path: str) -> JsonObject:
    """
    `{"sha256", "size"}` of the file at *path*.

    A file that is missing or may not be read fails the job at once; any other fault of reading, as
    on a network file system, is tried again.
    """
    digest = hashlib.sha256()
    size = 0
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                ctx.stop_if_asked()
                digest.update(chunk)
                size += len(chunk)
    except _NEVER_READABLE as error:
        raise Discard(str(error)) from error
    return {"sha256": digest.hexdigest(), "size": size}
