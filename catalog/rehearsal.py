"""Local logs, which machines write, are read in a confined process first: what that one could read takes no more memory
in the gateway, which reads the very same bytes afterwards, an excerpt's (`catalog.excerpt`). What has been read so is
known by its content, and read in the gateway alone from then on. Blocking.

Few bytes of commits need no rehearsal; a checkpoint always does.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from catalog.confined import TakesTooMuch, Unfinished, run_confined
from catalog.errors import ProgramLimitExceeded
from catalog.excerpt import Excerpt, Piece

MOST_LIGHT_BYTES = 256 << 10
"""Of commits that are not rehearsed, in a log: each file has statistics of each column, so that memory goes by the
square of it, and is some 120 MiB."""
LEAST_ACTION_BYTES = 64
"""That a file, or a column, takes of a commit."""
_MOST_LIGHT_CELLS = (MOST_LIGHT_BYTES // LEAST_ACTION_BYTES // 2) ** 2
"""Statistics of one column for one file each: as many as a log of that many bytes can have."""
_SHARE = 4
"""A log that is large already may grow by that part before it is rehearsed again."""
_MOST_LOGS = 1024
_MOST_SECONDS = 60.0
_HINT = (
    "Have fewer files (OPTIMIZE) or statistics of fewer columns (delta.dataSkippingNumIndexedCols), then have a"
    " checkpoint written."
)
_lock = threading.Lock()
_verdicts: "OrderedDict[Hashable, _Verdict]" = OrderedDict()


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What came of a rehearsal of these pieces."""

    pieces: frozenset[Piece]
    failure: str | None


def rehearse(read: Hashable, excerpt: Excerpt, module: str, *arguments: object, grows: bool = False) -> str | None:
    """Why a read of an excerpt fails, in words; None when it does not. `module` does it in a process of its own, unless
    what comes of it is known from when the same `read` was tried last: with the same pieces, or with all but few bytes
    of them if it `grows` by no more than what it reads. Raises Unfinished, TakesTooMuch among them."""
    pieces = frozenset(excerpt.pieces)
    with _lock:
        kept = _verdicts.get(read, _Verdict(frozenset(), None))
    new = pieces - kept.pieces
    if kept.failure is not None and kept.pieces == pieces:
        return kept.failure
    if kept.failure is None and (not new or not _is_heavy(new if grows else pieces)):
        return None
    try:
        told = run_confined(module, *arguments, most_seconds=_MOST_SECONDS)
    except Unfinished as error:
        raise type(error)(f"with {_name_largest(pieces)} in it: {error}") from error
    failure = None if told is None else excerpt.reword(told)
    with _lock:
        _verdicts[read] = _Verdict(pieces, failure)
        _verdicts.move_to_end(read)
        if len(_verdicts) > _MOST_LOGS:
            _verdicts.popitem(last=False)
    return failure


def has_failed(module: str, *arguments: object) -> bool:
    """Whether a read fails that is tried every time: what it leads to may be another while its log is the same."""
    try:
        return run_confined(module, *arguments, most_seconds=_MOST_SECONDS) is not None
    except Unfinished:
        return True


def admits_news(news: Excerpt, files: int, columns: int, opened_cells: int) -> bool:
    """Whether commits that a log of so many files and columns has got may be read without a rehearsal: not where they
    could bring many more statistics than there were when it was read as a whole, each new file those of all columns,
    each new column those of all files."""
    if _is_heavy(frozenset(news.pieces)):
        return False
    more_files = news.size // LEAST_ACTION_BYTES
    more_columns = more_files if any(_may_redefine(news, piece) for piece in news.pieces) else 0
    most = opened_cells + max(_MOST_LIGHT_CELLS, opened_cells // _SHARE)
    return (files + more_files) * (columns + more_columns) <= most


def too_large(log: str, error: TakesTooMuch) -> ProgramLimitExceeded:
    """The error for a log that takes too much memory; `log` is its name in a sentence."""
    return ProgramLimitExceeded(f"{log} takes too much memory", detail=str(error), hint=_HINT)


def _is_heavy(pieces: frozenset[Piece]) -> bool:
    return any(piece.is_checkpoint for piece in pieces) or sum(piece.size for piece in pieces) > MOST_LIGHT_BYTES


def _may_redefine(news: Excerpt, piece: Piece) -> bool:
    """Whether a commit may say what the table's columns are: a word may be spelled by escapes."""
    with news.log.open_file(piece.name) as file:
        content = file.read()
    return b"metaData" in content or b"\\u" in content


def _name_largest(pieces: frozenset[Piece]) -> str:
    """A checkpoint where there is one: its size says little."""
    return repr(max(pieces, key=lambda piece: (piece.is_checkpoint, piece.size)).name)
