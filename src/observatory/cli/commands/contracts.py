"""`contracts list` and `contracts validate`."""

from pathlib import Path

from cyclopts import App

from observatory.cli.exit_codes import ExitCode
from observatory.cli.options import PRINTING, Printing
from observatory.cli.output import Column, cell, of_process
from observatory.core.errors import BadJson
from observatory.core.job import JsonObject

contracts = App(name="contracts", help="Work with the schemas of everything on the wire.")


@contracts.command(name="list")
def list_contracts(*, printing: Printing = PRINTING) -> int:
    """List the schemas and their versions."""
    from observatory.contracts import names, versions

    rows: list[JsonObject] = [{"schema": name, "versions": list(versions(name))} for name in names()]
    out = of_process()
    if printing.json:
        out.json(rows)
    else:
        out.table(rows, (Column("SCHEMA", "schema"), Column("VERSIONS", "versions")))
    return ExitCode.DONE


@contracts.command
def validate(file: Path, /, *, schema: str, version: str | None = None, printing: Printing = PRINTING) -> int:
    """
    Check a JSON file against a schema; ends with 1 and one line per fault when it does not fit.

    For example:

        odd-dashboard contracts validate event.json --schema event-envelope

    Parameters
    ----------
    file
        File to check.
    schema
        Name of the schema, as `contracts list` prints it.
    version
        Version of the schema. Default: the one that an event declares, else the newest.
    """
    from observatory.contracts import validate_file

    try:
        faults = [(fault.pointer, fault.detail, fault.keyword) for fault in validate_file(file, schema, version)]
    except BadJson as error:
        faults = [(error.pointer or "", error.detail, error.code)]
    out = of_process()
    if printing.json:
        items = [{"pointer": pointer, "detail": detail, "keyword": word} for pointer, detail, word in faults]
        out.json({"valid": not faults, "faults": items})
    elif faults:
        for pointer, detail, _ in faults:
            out.line(f"{cell(pointer or '(document)', bytes_max=1000)}  {cell(detail, bytes_max=1000)}")
    if not printing.json:
        text = f"{file.name} fits {schema}" if not faults else f"{file.name} does not fit {schema}"
        out.mark("fail" if faults else "ok", text)
    return ExitCode.FAILED if faults else ExitCode.DONE
