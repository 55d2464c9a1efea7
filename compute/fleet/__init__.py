"""The fleet's mind: which machines to start, lend, move and stop. Pure: (event, now) -> instructions.

Owns: every decision about machines. The pool carries instructions out and reports each outcome as one event. Clock and
machine numbers are the fleet's only notion of the world, so a history of events can be replayed and every invariant
checked.

Layers, the door first:

    fleet       `Fleet`: takes an event, does what is due, gives the instructions; nodes that drain and are lost
    lending     requests: granted, waiting, refused; leases that come back
    supply      how many machines: what is lacking, what idles, what makes room
    starts      where one comes to be, on whose account; hedges and failures
    ---------   indexes below: each knows its own, none knows the layers above
    roster      all of them, and the timers
    template    machines and queue of an engine and size; `stock` its warm machines, for anybody or one workspace
    waiting     who goes first · `forecast` how many to keep warm · `latency` how long starts take
    nodes       best fit · `ledger` budgets · `breaker` what fails · `ranking` the heap below most of these

Lifecycle of a machine: starting, spare (warm, lent to nobody), serving (bound to a workspace by its first lease),
stopping. A `user` machine serves one lease and is stopped; a `shared` one serves leases of one workspace until idle.

Cost: an event looks at what it concerns, never at all machines, requests or nodes. What many things at once would make
long (a thousand spares too many) is done in pieces, by timers that are due at once.

Never: performs I/O, reads a clock, draws a number by chance; puts two workspaces on one machine; lends a `user`
machine twice; polls: with nobody waiting, nothing idle and no budget being spent `wake_at` is None.

Debugging: `Fleet.count`; a history of events replays to the same instructions.
"""

from compute.fleet.fleet import Fleet as Fleet
