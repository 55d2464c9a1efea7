"""Opens a local table's log by delta-rs with all that `catalog.deltalog` asks of it: what `catalog.rehearsal` has done
in a process of its own, which imports nothing else for it, as it is short."""

import sys

from deltalake import DeltaTable

from catalog.confined import perform


def _open(location: str, version: str = "") -> None:
    table = DeltaTable(location, version=int(version) if version else None)
    table.get_add_actions()
    if "deletionVectors" in (table.protocol().reader_features or ()):
        for _ in table.deletion_vectors():
            pass


if __name__ == "__main__":
    perform(lambda: _open(*sys.argv[1:]))
