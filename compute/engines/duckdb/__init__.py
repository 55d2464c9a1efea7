"""The DuckDB engine: reads pruned Delta files, answers in milliseconds, writes nothing.

Owns: one in-memory database a machine and a connection a session; scans as temporary views; streamed Arrow results.

Layers: `engine` (database, lock-down, sessions) over `statements` (what a connection keeps: parsed statements, views),
`views` and `footers` (a scan as SQL, and what that depends on in the files), `types` (Delta's types in DuckDB's
spelling), `parameters` (Arrow to Python values) and `errors` (DuckDB's exceptions to SQLSTATEs).

Lifecycle: `open_engine` opens and warms a database that reads nothing of any tenant: the template. `Engine.bind`
fixes the one readable directory and locks the configuration for ever. A session that asks for another time zone gets
a database of its own, because a locked one cannot change (12 ms, once).

Never: materialises a result, loads an extension, runs anything but one SELECT or EXPLAIN. The lock alone would let
``COPY ... TO`` write below the readable directory.

References: DuckDB documentation, "Securing DuckDB"; Delta protocol, "Partition Value Serialization".
"""

from compute.engines.duckdb.engine import DuckDBEngine, open_engine

__all__ = ["DuckDBEngine", "open_engine"]
