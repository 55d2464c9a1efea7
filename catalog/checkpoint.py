"""Checkpoints after our own commits, as often as engines make them after theirs. Blocking.

Reference: Delta protocol, section "Checkpoints".
"""

import logging

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from catalog.replay import LogState

_INTERVAL = "delta.checkpointInterval"
_log = logging.getLogger(__name__)


def is_due(version: int, state: LogState) -> bool:
    """Whether a checkpoint belongs to that version of a table that is as `state` says."""
    told = str((state.metadata.get("configuration") or {}).get(_INTERVAL, ""))
    return version % (int(told) if told.isdecimal() and int(told) else 10) == 0


def make_checkpoint(location: str, version: int) -> None:
    """Readers need none: one that cannot be made is only told of."""
    try:
        DeltaTable(location, version=version).create_checkpoint()
    except (DeltaError, OSError) as error:
        _log.warning("no checkpoint of version %d could be made: %s", version, str(error).splitlines()[0])
