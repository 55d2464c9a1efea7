"""File work of statements, in threads: on tables' folders and on folders of a workspace."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from catalog.beneath import walk
from catalog.clone import HINT
from catalog.completion import complete
from catalog.errors import DiskFull, FeatureNotSupported, UnreadableTable
from catalog.logfiles import LocalLog
from catalog.names import TableName
from catalog.owner import Owner

T = TypeVar("T")
_FULL = (errno.ENOSPC, errno.EDQUOT)


async def run_on_files(work: Callable[[], T], table: TableName, *, certain: bool = False) -> T:
    """File work for a table in a thread, which cannot be interrupted. `certain`: what was done counts, whoever
    cancelled meanwhile. Raises SqlError."""
    try:
        done, cancelled = await complete(asyncio.to_thread(work))
    except OSError as error:
        failure = DiskFull if error.errno in _FULL else UnreadableTable
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise failure(f"the files of table {table} cannot be written", detail=reason) from error
    if cancelled and not certain:
        raise asyncio.CancelledError
    return done


def find_writer(log: LocalLog, workspace: Path) -> Owner:
    """Whose the table is, and the workspace's folder: files are linked from one to the other as theirs. Raises
    FeatureNotSupported where they cannot be, OSError."""
    with walk(log.root, log.location) as table, walk(workspace) as block:
        there, here = os.fstat(table), os.fstat(block)
    if (there.st_dev, there.st_uid) != (here.st_dev, here.st_uid):
        where = "on another file system" if there.st_dev != here.st_dev else "in a folder of another user"
        raise FeatureNotSupported(f"a transaction block does not write a table {where} than its workspace's", hint=HINT)
    return Owner(there.st_uid, there.st_gid)
