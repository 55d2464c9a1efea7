"""Clusters of other people's, in small: a standalone Spark master with workers, and YARN, all on the loopback.

Their daemons are the real ones. `runtime` starts them with the Java and the jars that machines have, `standalone` and
`yarn` make the clusters. What YARN's daemons need beside pyspark's jars (`yarn.toml`), and the compiler of the job
under test (`compiler.toml`), are for tests alone; `jars` fetches them.
"""
