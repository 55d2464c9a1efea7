"""Jobs: a main class out of somebody's JARs, in a JVM of its own that drives executors of a cluster.

A job is an engine of one statement. The statement names the class and its arguments (`compute.job`); the answer is what
the JVM prints, line by line, and in its last row the status that it ended with (`engine`). So a job has what every
machine has: it is shut off, bounded, journalled, cancelled, and gone with whoever submitted it.

A job is user code. Its machine serves nothing else and is thrown away; it starts after the machine is sealed, and sees
its JARs, Java, Spark's jars and the one folder that it was given. A machine that is a process has its JARs from the
start; one that is a pod reads them over its channel (`jars`). What executors of a master see is that cluster's to
decide: they run as its user, and a standalone cluster's secret is known to every application on it. A pod's executors
are pods like it, with a secret of their own.

References: design section 6; Spark documentation, "Submitting Applications" (client mode).
"""

from compute.engines.job.engine import JobEngine, open_engine
from compute.job import Job

__all__ = ["Job", "JobEngine", "open_engine"]
