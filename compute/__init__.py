"""Machines that run SQL: which to start, how they are shut off, and how a session talks to one.

Owns: the fleet's decisions, the pool, leases, the transport, spawners, the zygote, the guest and the engines in it.

Layers, outside the machine and then inside:

    pool        carries out what `fleet` decides (pure: `events` in, instructions out); lends a `lease`
    fleet       how many machines, where, for whom: queues, warm stocks, nodes, budgets; a package of its own
    lease       one session's machine: execute, describe, cancel; an `Answer` is pulled batch by batch
    connection  frames on the event loop, bounded read-ahead, a `pulse`; `inspection` makes them fit to be believed
    ranges      reads files for a guest that cannot: from this host, or by `objects` from a store that speaks S3
    spawners    start, poll, stop; `process` asks the `zygote`, which forks warm templates
    ---------   `transport` (frames) and `statement` (SQL, parameters, scans) cross here
    guest       accepts, gets an identity, executes on one thread and hears cancels on another
    sandbox     namespaces, root folder, privileges
    engines     `duckdb`, `spark` and `job` (one of somebody's JARs) behind one protocol

Lifecycle of a machine: forked from a template in namespaces of its own; HELLO; spare; lent; IDENTITY seals it round
one workspace and binds the engine; statements; stopped with SIGKILL, since nothing in it needs saving. A `user`
machine serves one lease, a `shared` one serves leases of one workspace until it is idle.

Back-pressure: who does not pull an `Answer` fills `READ_AHEAD_BYTES`, then the socket's buffers, then the guest's send
blocks and the engine stands still. Nothing is spooled here.

A machine's end: its process is reaped by the zygote, its socket closes; the statement fails with MachineLost (58000),
the fleet refills. One that is stuck is found by its silence (`pulse`) and killed; one that is stopped the zygote sees
at once, and kills. A zygote that is stopped or stuck is found by its silence. If it dies, its machines die with it, by
the kernel; the next start opens a new one. If the gateway dies, the zygote kills what was lent, and waits some seconds
for the next gateway, which adopts it and a Spark machine that was nobody's yet.

Never: imports `planner` or `gateway`; decides what a user may see; reuses a machine across workspaces, or across
principals where the mode is `user`; forks on the event loop; holds a result; tells a guest credentials.

Debugging: guests log to the gateway's standard error. `Lease.usage` tells what a guest has used, `Fleet.count` how many
machines there are.

References: design sections 2, 3 and 6; pid_namespaces(7); Arrow columnar format, "Encapsulated message format".
"""
