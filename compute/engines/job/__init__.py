"""Jobs: a main class out of somebody's JARs, in a JVM of its own that drives executors of a cluster.

A job is an engine of one statement. The statement names the class and its arguments (`compute.job`); the answer is what
the JVM prints, line by line, and in its last row the status that it ended with (`engine`). So a job has what every
machine has: it is shut off, bounded, journalled, cancelled, and gone with whoever submitted it.

A job is user code. Its machine serves nothing else and is thrown away; it starts after the machine is sealed, and sees
its JARs, Java, Spark's jars and the one folder that it was given. What its executors see is the cluster's to decide:
they run as its user, and a standalone cluster's secret is known to every application on it.

References: design section 6; Spark documentation, "Submitting Applications" (client mode).
"""

from compute.engines.job.engine import JobEngine, open_engine
from compute.job import Job

__all__ = ["Job", "JobEngine", "open_engine"]
