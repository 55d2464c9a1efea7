"""PostgreSQL's relations and lakehouse tables in one statement: temporary tables, and the catalogs.

Owns
    `loans` lends relations of PostgreSQL's to the engine that runs a statement: their rows, as `rows` reads them, in a
    folder of the workspace's as a Delta table of one version (`planner.loans` says which columns). `transfers` carries
    out what writes a temporary table out of lakehouse tables (`planner.transfers` says how): rows of queries are poured
    into PostgreSQL by COPY, in the transaction of the statement. `inner` runs the statements of ours that both consist
    of, as the session's own, so that privileges, policies, lanes and the relay's rules are those of any statement.

Lifecycle
    A loan is its portal's: made when the statement is planned, given back when the portal is closed. A folder that a
    killed gateway left is removed as an abandoned COPY's is. A transfer is over when its statement has answered.

Never
    A row that PostgreSQL would not give this role; more of either side than the bounds in `loans` and `transfers`; a
    machine for a statement that reads no lakehouse table.
"""
