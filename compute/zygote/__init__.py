"""The zygote: a process that holds warm templates and makes a machine of one by fork.

Owns: the templates (an opened, warmed engine each), the machines it forked, and their isolation.

Layers: `__main__` (its own namespaces) over `loop` (orders in, exits out), `child` (what a fork does first),
`succession` (from one gateway to the next) and `packets` (one JSON object a packet over SOCK_SEQPACKET, file
descriptors beside it). `compute.spawners.process` is at the other end; `compute.sandbox` shuts the machines off.

Lifecycle: started once a pool. It enters namespaces of its own, so that its machines die with it by the kernel's hand,
tries the isolation, warms the templates while it has a single thread, then waits for orders. A machine of an engine
without a template (Spark) is forked in the same way and then runs a fresh interpreter. It outlives a killed gateway by
some seconds, with those shared machines that are nobody's yet, and works on for the next one that wants the same.

Never: a second thread before a fork; asyncio; tenants' data; a decision (the fleet decides).

References: pid_namespaces(7), fork(2).
"""
