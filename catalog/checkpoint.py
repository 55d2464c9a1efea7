"""Checkpoints after our own commits, as often as engines make them after theirs: else the log of a table that only
blocks write would grow for ever. Blocking.

A process of its own makes each, as the table's owner for good: the library does the work in threads, which would not
follow `catalog.owner`. It is confined, and its end is no commit's. The library is led to the log by its descriptor, so
that no link can lead it to another.

Reference: Delta protocol, section "Checkpoints".
"""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deltalake import DeltaTable

from catalog.beneath import by_descriptor, walk
from catalog.confined import Unfinished, perform, run_confined
from catalog.logfiles import LOG, LocalLog
from catalog.owner import Owner

_INTERVAL = "delta.checkpointInterval"
_USUAL_INTERVAL = 10
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_MOST_SECONDS = 30.0
_log = logging.getLogger(__name__)


def is_due(version: int, properties: Mapping[str, object]) -> bool:
    """Whether a checkpoint belongs to that version of a table with these properties."""
    told = str(properties.get(_INTERVAL, ""))
    return version > 0 and version % (int(told) if _NUMBER.fullmatch(told) else _USUAL_INTERVAL) == 0


def make_checkpoint(log: LocalLog, version: int, owner: Owner) -> None:
    """Readers need none: one that cannot be made is only told of."""
    told = (log.root, log.location, version, owner.uid, owner.gid)
    try:
        failure = run_confined(__name__, *told, most_seconds=_MOST_SECONDS)
    except Unfinished as error:
        failure = str(error)
    if failure is not None:
        _log.warning("no checkpoint of version %d of %s could be made: %s", version, log.location, failure)


def _main(root: str, location: str, version: str, uid: str, gid: str) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    log = LocalLog(root, location)
    with walk(log.root, log.path) as place, tempfile.TemporaryDirectory() as folder:
        log.list_files()
        Path(folder, LOG).symlink_to(by_descriptor(place))
        DeltaTable(folder, version=int(version)).create_checkpoint()


if __name__ == "__main__":
    perform(lambda: _main(*sys.argv[1:]))
