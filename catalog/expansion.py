"""How many relations come to stand in a view's place when it is read: those that it names, each as often as it names
it, and those that come to stand in theirs.

PostgreSQL's rewriter puts every one of them into a statement, and knows no bound: with two of the level below in each
view there are 2^n of them. So a view is made only where it stays below ours, as do all that read it.
"""

from collections import Counter, defaultdict
from graphlib import TopologicalSorter

from catalog.connection import Connection, fetch
from catalog.errors import ProgramLimitExceeded

MOST_BEHIND = 1000
"""Relations behind a statement's views, and the views, each as often as it is reached."""
# A rule's tree names a relation where it is read; dependencies tell of it once. Blanks in names are escaped there.
_NAMED = r"""
WITH RECURSIVE above (oid) AS (
    SELECT %s::oid
    UNION
    SELECT r.ev_class
    FROM above JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = above.oid
    JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid),
reached (oid) AS (
    SELECT oid FROM above
    UNION
    SELECT d.refobjid
    FROM reached JOIN pg_rewrite r ON r.ev_class = reached.oid
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass)
SELECT r.ev_class::bigint, r.ev_class::regclass::text, found[1]::bigint, count(*)
FROM reached JOIN pg_rewrite r ON r.ev_class = reached.oid,
     regexp_matches(r.ev_action::text, ':rtekind 0 :relid (\d+) ', 'g') found
GROUP BY 1, 2, 3
"""


async def check_expansion(connection: Connection, shadow: int) -> None:
    """Raises ProgramLimitExceeded where this view, or one that reads it, comes to too many. None may read itself."""
    named, names = defaultdict[int, Counter[int]](Counter), dict[int, str]()
    for view, name, relation, times in await fetch(connection, _NAMED, (shadow,)):
        named[view][relation], names[view] = times, name
    sizes: dict[int, int] = {}
    for each in TopologicalSorter(named).static_order():
        sizes[each] = 1 + sum(times * sizes[relation] for relation, times in named.get(each, Counter()).items())
        if sizes[each] > MOST_BEHIND:
            raise ProgramLimitExceeded(
                f"view {names[each]} would read more than {MOST_BEHIND} relations",
                detail="Those behind the views that it reads count each time.",
                hint="Write what it reads often into a table.",
            )
