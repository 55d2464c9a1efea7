"""Local logs, which machines write, are read in a confined process first: what that one could read takes no more memory
in the gateway. What has been read so is known by its files, and read in the gateway alone from then on. Blocking.

Few bytes of commits need no rehearsal; a checkpoint always does. What few bytes of files come to in a log of very many
columns, or few of columns in one of very many files, is not seen so: the next rehearsal does.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from catalog.confined import Unfinished, run_confined
from catalog.logfiles import LogFile

MOST_LIGHT_BYTES = 256 << 10
"""Of commits that are not rehearsed, in a log: each file has statistics of each column, so that memory goes by the
square of it, and is some 120 MiB."""
_MOST_LOGS = 1024
_MOST_SECONDS = 60.0
_lock = threading.Lock()
_verdicts: "OrderedDict[Hashable, _Verdict]" = OrderedDict()


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What came of a rehearsal of files, which are known by their hashes: logs have many."""

    files: frozenset[int]
    failure: str | None


def rehearse(read: Hashable, files: Sequence[LogFile], module: str, *arguments: object) -> str | None:
    """Why a read of these files of a log fails, in words; None when it does not. `module` does it in a process of its
    own, unless what comes of it is known from when the same `read` was tried last."""
    looks = frozenset(map(hash, files))
    with _lock:
        kept = _verdicts.get(read, _Verdict(frozenset(), None))
    new = [file for file in files if hash(file) not in kept.files]
    if kept.failure is not None and kept.files == looks:
        return kept.failure
    if kept.failure is None and not _is_heavy(new):
        return None
    try:
        failure = run_confined(module, *arguments, most_seconds=_MOST_SECONDS)
    except Unfinished as error:
        return f"with {_name_largest(new)} in it: {error}"
    with _lock:
        _verdicts[read] = _Verdict(looks, failure)
        _verdicts.move_to_end(read)
        if len(_verdicts) > _MOST_LOGS:
            _verdicts.popitem(last=False)
    return failure


def attempt(module: str, *arguments: object) -> str | None:
    """Why a read fails that is tried every time: what it leads to may be another while its log is the same."""
    try:
        return run_confined(module, *arguments, most_seconds=_MOST_SECONDS)
    except Unfinished as error:
        return str(error)


def _is_heavy(files: Sequence[LogFile]) -> bool:
    checkpoint = any(".checkpoint." in file.name or "/" in file.name for file in files)
    return checkpoint or sum(file.size for file in files) > MOST_LIGHT_BYTES


def _name_largest(files: Sequence[LogFile]) -> str:
    """A checkpoint where there is one: its size says little."""
    return repr(max(files, key=lambda file: (".checkpoint." in file.name, file.size)).name)
