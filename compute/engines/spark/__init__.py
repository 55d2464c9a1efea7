"""The Spark engine: everything that Delta can do, at any size, in one JVM that all sessions of a machine share.

Owns: the machine's JVM (`compute.spark.server`), one Spark Connect session a connection, parameters as typed literals,
results as a drained stream of Arrow batches, the count of rows written, Spark's errors as SQLSTATEs.

Layers: `engine` (a JVM of the machine's own) and `remote` (a server that somebody else runs) over `session` (a
connection's) over `running` (one statement on its way) with `overflow` (what was produced but not
yet read), `parameters` (Arrow to literals), `types` (Spark's types to Arrow), `writes` (which statements write, and how
much), `lexer` and `errors`.

Lifecycle: `open_engine` starts the JVM. While nobody wants the machine, a Delta write, a scan and a join warm it. A
session is made ready before it is asked for, because Spark takes a while to make one. The machine ends with its JVM,
and a JVM that does not answer any more is killed.

In a microVM the JVM is a template's clone: it has run statements before, finds tables by WebHDFS at the guest's
endpoint, which lends those of the running statement, and writes none. Session name and server's token are the
template's, and of no use outside a machine that has no network; seeds come with each statement (`planner.sparkseeds`),
Java's own secure randomness from the kernel, which has been reseeded.

Never: holds a result in the JVM because its reader is slow, runs a statement to describe it, retries a write.

References: Spark documentation, "Spark Connect" and "Error conditions"; Delta Lake, "Table utility commands".
"""

from compute.engines.spark.engine import SparkEngine, open_engine

__all__ = ["SparkEngine", "open_engine"]
