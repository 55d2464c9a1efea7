"""Plans of the spark dialect."""

from catalog.resolution import Resolution
from catalog.types import Description
from planner.parse import Statement
from planner.plan import Plan, Settings


def plan_spark(
    statement: Statement, resolution: Resolution, settings: Settings, description: Description | None
) -> Plan:
    raise NotImplementedError
