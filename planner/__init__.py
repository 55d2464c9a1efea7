"""SQL to plan: pure and synchronous.

**Owns** what a statement is, who may run it, and how each lane spells it.

**Layers**, top down; each knows only those below::

    planning    statement + resolution + settings -> plan; the memo
    relay  session  cursors  prepared  explain  roles  definitions  views  writes  reads  copy  sparkplan   a kind each
    creation  appends  rewrites  newtables                    tables that are made; what the gateway writes itself
    privileges  sizes                                         what is asked of relations: who answers
    elements                                                                         columns and keys of a new table
    transfers  loans                                          PostgreSQL's tables beside the lakehouse's
    authorize  route  prune                                           may it, where, which files
    dialects    PostgreSQL's tree -> a lane's SQL, typed on the way up
    bind  predicates  shadow                                          names, demands on files, columns
    parse  sparksql  syntax  tree                                     text -> statement
    plan        what a plan is

**Lifecycle.** `parse` gives statements, from a cache by exact text; the gateway resolves their references in the
catalog and has PostgreSQL describe them on the shadow; `plan` says what happens. In the postgres dialect the tree is
PostgreSQL's own (libpg_query): names, types and result columns follow its rules, and each lane's SQL is written from
it, with aliases of our own, so that neither engine's rules on case, shadowing or NULL order can change a meaning.
sqlglot serves the spark dialect.

**Views** are kept by PostgreSQL, which gives their text with every name resolved. A lane's SQL has that text,
translated like any other, as a sub-select whose columns have the types that PostgreSQL gave the view.
`dialects.deparsed` gives it the spelling that statements have.

**Verified or refused.** A node kind, operator, cast or function without a verified rewrite on a lane raises
`Unverified`; the other lane is tried; if neither has one the client sees 0A000. A column whose type comes out other
than PostgreSQL announced is refused too: it would mean a rule that is not understood. Both engines run in UTC.

**Never**: I/O, clocks, randomness, asyncio; text of a client in a lane's SQL except as a quoted literal or identifier.

References: PostgreSQL documentation, chapters 9 (functions) and 10 (type conversion); Delta protocol, "Per-file
Statistics".
"""

from planner.parse import Statement, parse
from planner.planning import ROUTE_COLUMNS, plan

__all__ = ["ROUTE_COLUMNS", "Statement", "parse", "plan"]
