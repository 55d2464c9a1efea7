"""The Spark that machines run: its Java, its jars, its JVM, and the Spark Connect session that asks it.

Owns: the pinned jars beside pyspark's own (`jars.toml`), the AOT cache that makes a JVM start fast, the JVM's flags and
Spark's configuration, the server process and a client of its protocol. The engine over it is `compute.engines.spark`.

Layers: `setup` over `building` (fetches by `ivy`, trains by `training`) fills what `installation` finds: `jars`, `aot`,
`cache`. A machine uses `server` (one Connect server) over `jvm`, `java`, `liveness` and `configuration`, and `client`
(one session) over `protocol`. How a JVM drives executors elsewhere, `driver` says, over `master` and `allocation`; who
of them is there, `presence`.

Lifecycle: `setup` fills the cache folder. A machine starts one `SparkServer`, which prints its port once it listens;
each connection of the machine is one Connect session in it. The JVM dies with the process that started it, and once it
is of no more use: silent, with a task that cannot be ended, without a thread that it needs, a driver without executors.

Never: resolves jars when a session starts, runs spark-submit, listens beyond loopback but for executors, answers a
request without the server's token, starts with jars whose sums differ from the list.

References: Spark documentation, "Spark Connect" and "Configuration"; JEP 483, 514 and 515 (AOT cache).
"""
