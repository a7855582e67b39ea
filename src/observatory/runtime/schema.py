"""The schema of the data, whichever engine holds it: what it is, and how it is brought forward."""

from dataclasses import dataclass

from observatory.core.errors import CannotStart

MIGRATE = "bring it forward:  odd-dashboard migrate"


class SchemaTooOld(CannotStart):
    """The data has an older schema than this release works with."""

    code = "schema_too_old"


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Which schema the data has."""

    place: str
    """Where the data is, without a password."""
    number: int
    """Of the newest migration that was applied; 0 for none."""
    newest: int
    """Of the newest migration that this release knows."""

    def check(self) -> None:
        """
        Return when this release can work with it.

        Raises:
            SchemaTooOld: It has to be migrated first.
        """
        if self.number < self.newest:
            has = f"has schema {self.number}" if self.number else "has no schema yet"
            raise SchemaTooOld(f"{self.place} {has}, this release works with {self.newest}", MIGRATE)


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """What a migration did."""

    applied: tuple[str, ...]
    """Number and name of each, in order; empty when nothing was to do."""
    copy: str | None = None
    """Name of the copy that was made before; None when none was."""
