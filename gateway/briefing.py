"""What a relayed statement is told beside the session's settings, as settings: what PostgreSQL does not know itself.

Sessions are the gateways', prepared statements and cursors the session's (`roster`, `names`), and so are the values of
settings that its backend has otherwise. Statistics of tables are brought up to date in the metastore itself.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gateway import names
from gateway.relay.settings import ENDS_VARIABLE, SESSION_VARIABLE, SETTINGS_VARIABLE
from gateway.roster import tell_sessions
from planner.encodings import single_byte
from planner.session import ANSWERED, ENCODING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.catalog import Catalog
    from gateway.portal import Portal
    from gateway.session import Session
    from planner.plan import Metadata


async def brief(session: Session, catalog: Catalog, planned: Metadata, portal: Portal) -> Mapping[str, str]:
    """The session's settings, and those that the statement asks for. Raises SqlError."""
    variables = tell_own(session, planned)
    if planned.asks_for_all:
        rows = await catalog.attendance.list(session.workspace)
        variables = {**variables, **tell_sessions(rows, session.principal)}
    if planned.asks_for_names:
        variables = {**variables, names.VARIABLE: names.list_names(session, portal)}
    if planned.asks_for_statistics:
        await catalog.publish_statistics(session.workspace)
    return variables


def tell_own(session: Session, planned: Metadata) -> Mapping[str, str]:
    """The session's settings, and what of those that the statement asks for the session knows at once."""
    variables = session.variables.effective
    if planned.asks_for_sessions:
        variables = {**variables, SESSION_VARIABLE: str(session.pid), ENDS_VARIABLE: json.dumps(session.ends)}
    if planned.asks_for_settings:
        own = {name: session.settings.get(name) for name in sorted(ANSWERED)}
        if single_byte(own[ENCODING] or "") is None:
            del own[ENCODING]  # The backend's own is right.
        variables = {**variables, SETTINGS_VARIABLE: json.dumps(own)}
    return variables
