"""The zygote: a process that holds warm templates and makes a machine of one by fork.

Owns: the templates (an opened, warmed engine each), the machines it forked, and their isolation.

Layers: `__main__` (its own namespaces, then the loop) over `loop` (orders in, exits out), `sandbox` (what shuts a machine
off) and `selftest` (which isolation this host allows). It speaks with `compute.spawners.process` over a SOCK_SEQPACKET
pair: one JSON object a packet, file descriptors beside it.

Lifecycle: started once a pool; it enters namespaces of its own, so that all its machines die with it by the kernel's hand;
it tries the isolation, warms the templates while it has a single thread, then waits for orders. A machine of an engine without a template
(Spark) is forked in the same way and then runs a fresh interpreter.

Never: a second thread before a fork; asyncio; tenants' data; a decision (the fleet decides).

References: pid_namespaces(7), fork(2).
"""
