"""The metastore: names, principals, grants, shadows and snapshots. Imports no other package of Lakegate.

Owns
    The control tables, the shadows, PostgreSQL's roles and privileges, the embedded PostgreSQL server, the reading of
    Delta logs; and the frozen vocabulary that crosses packages: `names`, `types`, `changes`, `scans`, `errors`.

Layers, top down
    `catalog`                                      the only door: login, resolve, apply
    `resolver`, `lookup`                           names to tables and views, and to what is read behind these
    `definitions`                                  what an open block has changed, seen by it alone
    `dispatch`                                     changes to the functions that carry them out
    `resolution`, `resolution_cache`               what a statement's names mean to somebody, kept while nothing changes
    `tables`, `views`, `keys`, `grants`, `roles`, `tokens`     one change each, in the caller's transaction
    `expansion`                                    how many relations come to stand in a view's place
    `observations`                                 rows, sizes and properties of what was read, for the catalogs
    `discovery`                                    Delta tables below a folder
    `leftovers`                                    folders that are no table's, or not yet
    `shadows`, `mirror`                            the PostgreSQL side of a table and of a grant
    `control`, `inventory`, `principals`           control tables, cached and kept current by LISTEN
    `connection`, `sealed`                         what changes are carried out on: ours, or in a user's transaction
    `snapshot_cache`, `deltalog`, `unsupported`    Delta logs to snapshots, read in the threads of `crews`
    `rehearsal`, `opening`, `confined`             what reads of machines' logs cost, found out in another process
    `puts`, `alteration`, `statistics`             rows and columns that a table gets here; what a log says of a file
    `replay`, `clone`, `commit`, `checkpoint`      a log's own words; a block's table; what it comes to in the log
    `features`                                     what a table asks of whoever writes to it
    `landing`, `logfiles`                          the names that a block's files get; a local log's plain files
    `writerrows`, `owner`, `beneath`               who writes a table now; whose rights file work has, and by which way
    `credentials`                                  what reads an object store: the own, or a role's for one table
    `migrations`, `databases`                      the tables' histories (Alembic over plain SQL)
    `postgres`, `external`, `endpoint`             the server: embedded, or somebody else's
    `relay`                                        what relayed statements ask us instead of PostgreSQL
    `sessions`, `attendance`                       who is connected to any gateway, and how a signal finds him
    `gateways`                                     who else shares the metastore, and where

Lifecycle
    `EmbeddedPostgres.start`, `Catalog.open`, `bootstrap` and `create_workspace`; `login` opens a workspace; `resolve`
    and `apply` a statement at a time; `Catalog.close`, `EmbeddedPostgres.stop`.

One workspace is one database: shadows in schemas of the lakehouse's names, control tables in schema ``lakegate``. The
account (principals, memberships, workspaces) is database ``lakegate``. A change writes control rows and their mirror,
raises its database's version, and notifies, all in one transaction; in a block that is the block's own. Statements are
resolved from memory: no query waits.

Shown
    PostgreSQL's catalogs tell of shadows: `pg_class.reltuples` and `relpages`, generated and identity columns, views.
    For what they have no place for there are three views in schema ``lakegate``, whose rows are there for whom anything
    is granted on the table, as in information_schema; each begins with ``table_schema`` and ``table_name``.
    ``delta_tables``: owner, format, location, newest version seen, files, bytes, rows, protocol versions and features.
    ``partition_columns``: column and ordinal position. ``table_properties``: key and value.

Never
    A principal is never superuser, owner of a shadow or a member of its owner's role, and holds SELECT on no shadow. A
    login secret is never a PostgreSQL password. What PostgreSQL cannot hold is registered without a shadow, never
    changed to fit. Nothing here decides how a statement runs.

References
    PostgreSQL 18: chapters "Database Roles", "Privileges", "System Catalogs". The Delta transaction log protocol.
"""
