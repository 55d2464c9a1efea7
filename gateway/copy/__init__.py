"""COPY: rows of any SELECT to a client in COPY's formats, and what a client sends into a table.

Owns
    `opening` makes the result of a COPY statement, which `planner.copy` has read. `outflow` (TO) has another result's
    DataRow messages rewritten by native code. `intake` (FROM) hears the client; `loading` takes what it sends apart
    piece by piece, in a thread, with `columns` (texts to values) and `verdict` (which row is wrong, as PostgreSQL would
    say); `staging` holds the rows as a Parquet file until the last has come. `fitting` does for rows of an engine what
    `verdict` does for a client's. A temporary table's COPY is PostgreSQL's own, and passes through `relayed`.

Lifecycle of a FROM
    CopyInResponse; pieces are read, judged and staged as they come; after CopyDone the file is appended in one commit,
    by the gateway (`gateway.append`) or the Spark machine, as an INSERT's would be. Whatever happens before leaves the
    table as it was, and the staging folder goes, at the latest when another COPY or gateway finds it abandoned.

Never
    A row that was not judged in a table; a whole load in memory; work on pieces in the event loop.

Reference: PostgreSQL documentation, COPY and "COPY Operations"; `copyfrom.c`.
"""
