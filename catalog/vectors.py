"""Fails where an excerpt of a table's log has deletion vectors, be it for want of their files, which lie beside the
log. A few bytes of one stand for any number of rows, each of which is a byte of memory, and its path may be anybody's:
so `catalog.rehearsal` has this done in a process of its own, and who reads them is Spark."""

import sys

from deltalake import DeltaTable

from catalog.confined import perform


def _find(folder: str) -> None:
    for batch in DeltaTable(folder).deletion_vectors():
        if batch.num_rows:
            raise ValueError("there are deletion vectors")


if __name__ == "__main__":
    perform(lambda: _find(*sys.argv[1:]))
