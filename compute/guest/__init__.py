"""The guest: our process inside a machine, which lends its engine to whoever connects.

Owns: the accepted connections, one engine session each, and the machine's identity.

Layers: `machine` (accept loop, identity) over `conversation` (one connection: a reading thread beside the executing
one) over `channel` (frames on a blocking socket) and `batches` (what of a batch may cross). Where the host's files are
out of reach, `endpoint` (HTTP on the loopback; `webhdfs` for an engine that finds files by their paths, in a `tree`)
gets them by `reads` over the channel. Engines are `compute.engines`.

Lifecycle: the listening socket is handed over by the spawner and outlives no machine. The guest says HELLO, refuses
statements until IDENTITY has sealed the machine and bound the engine, then runs one statement at a time a connection.
An `isolation user` machine serves one connection and exits; a `shared` one serves many until it is stopped.

Never: asyncio, deltalake, sqlglot; a second workspace; a file or secret that did not come with a statement.
"""
