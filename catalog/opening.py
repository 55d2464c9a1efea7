"""Opens an excerpt of a table's log by delta-rs with all that `catalog.deltalog` asks of it: what `catalog.rehearsal`
has done in a process of its own, which imports nothing else for it, as it is short."""

import sys

from deltalake import DeltaTable

from catalog.confined import perform

if __name__ == "__main__":
    perform(lambda: DeltaTable(sys.argv[1]).get_add_actions())
