"""Folders of tables: absolute paths or URLs, without a slash at the end."""

import posixpath
import re
import secrets

from catalog.errors import InvalidParameterValue
from catalog.names import TableName

OBJECTS = "s3://"
STAGING = "_staging"
"""The folder of a workspace where rows wait that no table has yet."""
BLOCKS = "_blocks"
"""The folder of a workspace where tables lie as open blocks have written them."""
_OBJECT = re.compile(rf"{OBJECTS}(?P<bucket>[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])/(?P<key>[^*?$\x00-\x1f]{{1,900}})")


def normalize_location(location: str) -> str:
    """One spelling a folder. Raises InvalidParameterValue for what is no absolute folder or climbs with ``..``."""
    scheme, mark, rest = location.removeprefix("file://").rpartition("://")
    if not rest or ".." in rest.split("/") or "\0" in rest or not (mark or rest.startswith("/")):
        raise InvalidParameterValue(f'"{location}" is not an absolute folder of a table')
    return f"{scheme}{mark}{posixpath.normpath(rest)}"


def is_object(path: str) -> bool:
    """Whether it lies in an object store."""
    return path.startswith(OBJECTS)


def split_object(location: str) -> tuple[str, str]:
    """Bucket and key. Raises InvalidParameterValue, also for what means more than one thing in an IAM policy."""
    found = _OBJECT.fullmatch(location)
    if found is None:
        raise InvalidParameterValue(
            f'"{location[:200]}" is not a folder of an object store', hint="Write s3://BUCKET/FOLDER, without * ? $."
        )
    return found["bucket"], found["key"]


def is_below(location: str, folder: str) -> bool:
    return location.startswith(folder.rstrip("/") + "/")


def workspace_folder(root: str, workspace: str) -> str:
    """Below which a workspace's tables lie that its machines see: its own, so it has the very name."""
    return f"{root.rstrip('/')}/{workspace}"


def root_of(location: str, warehouse_root: str) -> str:
    """From where on no link is followed to a table. Up to there it is the administrator's: he puts workspaces' folders
    where he likes, and tables that lie in none."""
    if not is_below(location, warehouse_root):
        return location
    root = warehouse_root.rstrip("/")
    return f"{root}/{location.removeprefix(root + '/').partition('/')[0]}"


def fresh_location(root: str, workspace: str, table: TableName) -> str:
    """A folder that no table had before: a dropped table's late readers and files never meet a new one's."""
    parts = [_spell(table.schema), f"{_spell(table.name)}-{secrets.token_hex(8)}"]
    return "/".join([workspace_folder(root, workspace), *parts])


def _spell(name: str) -> str:
    """A name as a part of a path; different names may share a spelling, the random ending tells them apart."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:80]
