"""Job types that ship with the package: to try it out, to test a set-up, and as examples."""

from observatory.builtin_jobs.checksum import app as checksum_app
from observatory.builtin_jobs.probes import app as probes_app
from observatory.sdk.app import Observatory

__all__ = ["app"]

app = Observatory()
app.include(probes_app)
app.include(checksum_app)
