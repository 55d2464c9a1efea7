"""DuckDB's reader of files by HTTP, for a machine whose files come from an endpoint of its own.

The extension comes in a wheel of DuckDB's, signed by them, and is loaded before the configuration is locked.
"""

from importlib.util import find_spec
from pathlib import Path

import duckdb

PACKAGE = "duckdb_extension_httpfs"


def load_httpfs(database: duckdb.DuckDBPyConnection) -> None:
    """What a URL holds never changes, and its server is this machine: nothing is asked twice or tried again."""
    package = find_spec(PACKAGE)
    assert package is not None, "machines with remote files have the wheel"
    extension = Path(str(package.origin)).parent / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
    database.load_extension(str(extension))
    database.execute("SET GLOBAL enable_http_metadata_cache = true")
    database.execute("SET GLOBAL httpfs_connection_caching = true")
    database.execute("SET GLOBAL http_retries = 0")
