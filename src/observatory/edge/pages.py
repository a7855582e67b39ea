"""Pages that ship with the package: read once, served from memory, never looked up by a name from outside."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

import msgspec

_MEDIA_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


class Asset(msgspec.Struct, frozen=True):
    """One file of a page."""

    body: bytes
    media_type: str
    etag: str


def load_assets(package: str, folder: str, names: tuple[str, ...]) -> Mapping[str, Asset]:
    """The files *names* of *folder* inside *package*."""
    return {name: _asset(files(package).joinpath(folder, name).read_bytes(), name) for name in names}


def _asset(body: bytes, name: str) -> Asset:
    digest = hashlib.sha256(body).hexdigest()[:32]
    return Asset(body, _MEDIA_TYPES[name.rpartition(".")[2]], f'"{digest}"')


def page_policy(*, connect: tuple[str, ...] = ()) -> str:
    """
    The content security policy of a page whose scripts and styles are files of its own service.

    Args:
        connect: Origins that its scripts may call, beside its own.
    """
    calls = " ".join(("'self'", *connect))
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src {calls}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )
