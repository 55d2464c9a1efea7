"""What Delta's features and properties ask of whoever writes to a table, as far as all of it is known here.

References: Delta protocol, sections "Table Features", "Valid Feature Names in Table Features".
"""

from collections.abc import Mapping

UNDERSTOOD = frozenset(
    {
        "appendOnly",
        "changeDataFeed",
        "checkConstraints",
        "columnMapping",
        "deletionVectors",
        "generatedColumns",
        "identityColumns",
        "invariants",
        "timestampNtz",
        "vacuumProtocolCheck",
    }
)
"""Features that ask nothing of a commit, or only where columns or properties use them."""
NEWEST_READER, NEWEST_WRITER = 3, 7
OF_COMMITS: Mapping[str, str] = {
    "delta.enableInCommitTimestamps": "timestamps in its commits",
    "delta.enableRowTracking": "row tracking",
}
"""Properties by which every commit has to say more, and what they are about."""
OF_CHANGES: Mapping[str, str] = {
    "delta.enableChangeDataFeed": "a change data feed",
    "delta.enableDeletionVectors": "deletion vectors",
}
"""Those by which one that changes rows does."""


def find_in_use(properties: Mapping[str, object], asked: Mapping[str, str]) -> str | None:
    """The first of these that a table has switched on, by what it is about."""
    return next((what for name, what in asked.items() if str(properties.get(name, "false")).lower() != "false"), None)
