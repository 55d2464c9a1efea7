"""The zygote: a process that holds warm templates and makes a machine of one by fork.

Owns: the templates (an opened, warmed engine each), the machines it forked, and their isolation.

Layers: `__main__` (its own namespaces) over `loop` (orders in, exits out), `child` (what a fork does first) and
`packets` (one JSON object a packet over SOCK_SEQPACKET, file descriptors beside it). `compute.spawners.process` is at
the other end; `compute.sandbox` shuts the machines off.

Lifecycle: started once a pool. It enters namespaces of its own, so that its machines die with it by the kernel's hand,
tries the isolation, warms the templates while it has a single thread, then waits for orders. A machine of an engine
without a template (Spark) is forked in the same way and then runs a fresh interpreter.

Never: a second thread before a fork; asyncio, pandas; tenants' data; a decision (the fleet decides).

References: pid_namespaces(7), fork(2).
"""
