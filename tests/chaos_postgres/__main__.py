"""
`python -m tests.chaos_postgres`: several processes on one PostgreSQL, each of them killed and paused under load.

`up` keeps two gateways, three processors and one of every other role, over a private server that syncs every commit.
First `examples/checksums` sums a tree of files in peace, through both gateways. Then it does so again and again, beside
two submitters outside, which write every 201 to a file of their own, fsynced before the next submit; all of them speak
to the gateways through networks that cut off replies, and repeat a submit without an answer with its key. Meanwhile a
seeded nemesis kills roles and the database, and stops some for longer than a lease, whenever work waits.

At the end every line of the example is what `sha256sum` says; every job that was accepted exists, has one final event
and is completed; the starts that the handlers wrote down are the attempts that were recorded, but for those that a kill
or a stop explains, each of which is listed; and the audit is clean. Ends with 1 when it is not.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.chaos_postgres.campaign import Orders, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos_postgres", description=__doc__)
    parser.add_argument("--kills", type=int, default=2, help="of each component; default %(default)s")
    parser.add_argument("--stops", type=int, default=1, help="longer than a lease; default %(default)s")
    parser.add_argument("--cuts", type=int, default=10, help="replies to cut off at least; default %(default)s")
    parser.add_argument("--tree", default=str(Path(json.__file__).parents[1]), help="summed; default %(default)s")
    parser.add_argument("--files", type=int, default=400, help="of the tree, spread over it; default %(default)s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="kept afterwards, with all that was written down; must be empty")
    given = parser.parse_args()
    orders = Orders(
        kills=given.kills, stops=given.stops, cuts=given.cuts, tree=given.tree, files=given.files, seed=given.seed
    )
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
        return run(orders, given.folder)
    with tempfile.TemporaryDirectory() as folder:
        return run(orders, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
