"""The gateway: doors, sessions, and the composition root of Lakegate.

Owns
    the PostgreSQL wire protocol (`gateway.pgwire`, sans-I/O but for its door), login (`gateway.auth`), sessions with
    their settings, transaction blocks, prepared statements, portals and cursors, the spool, the relay to the
    metastore's PostgreSQL (`gateway.relay`), COPY (`gateway.copy`), what mixes PostgreSQL's tables with the lakehouse's
    (`gateway.temporary`), what it puts into tables itself (`put`: `append`, `rewrite`), the tables that a block writes
    (`enlistment`, `draft`, in a `scratch` folder, against other `writers`) and the `definitions` that it changes, the
    role that a session acts as (`roles`) and the machines that it is lent (`lending`, `leases`), configuration and the
    command line. Beside the sessions: who may have how many (`admission`), their keys and signals (`keys`, `activity`,
    `cancel`), and the other gateways (`replica`). Commands of the operator on the metastore (`operation`, `token`,
    `discover`).

Layers, top down
    `cli` -> `server` (puts everything together, drains) -> `pgwire.door` (sockets) -> `conversation` (messages to
    session calls; `shortcuts` and `cycles` give answers that are known already) -> `session` (one user's state) ->
    `executor` (plans to results) -> `result`, `query`, `cursors`, `relay`. For a query's rows: `scroll` (a place among
    them, by the rules of `position`) -> `source` (the machine's work) -> `spool` -> `storage`, `segment` (room, files).

A statement's way
    Query or Parse/Bind/Execute -> `Session.split` (the planner parses) -> `Executor.describe` (PostgreSQL on the
    shadow, or Spark's analyser) -> `Catalog.resolve` (grants, versions) -> `planner.plan` -> a `Result`: relayed from
    PostgreSQL, constant, an action on the session or catalog, or a query on a leased machine whose batches go through
    the `Spool` and are encoded in native code. A cursor is such a portal under a name, which FETCH moves in. PREPARE
    and EXECUTE (`preparation`) make and run the prepared statements that the protocol has too (`statements`); `names`
    tells of them and of cursors, `roster` of all gateways' sessions, as a relayed statement's `briefing`; `explanation`
    of how a statement runs.

A client's way in
    `pgwire.door` (a balancer's header, TLS) -> `entry` -> `route` (which workspace) -> `proofs` (a certificate, SCRAM,
    a token; what `access` asks for) -> a `Session` with an `Admission`. Failures are counted by address and by user.

Never
    SQL is never looked at here: the planner says what a statement is. No row passes through Python objects. Nothing
    blocks the event loop: encoding of large batches and file work run in threads. A backend of PostgreSQL never has
    more rights than the user whose statement it runs, and only those of the role that she has taken on.

References
    PostgreSQL documentation, chapter "Frontend/Backend Protocol"; Arrow columnar format; Delta protocol.
"""
