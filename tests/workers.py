"""`make test` runs the tests in two processes: what shares something that is slow to start runs in one of them.

A unit is what one process runs without a break: the modules of a line of `UNITS`, or any other module. Those of `UNITS`
are taken first, as the longest should not be the last; the others follow in random order.
"""

import pytest
import xdist
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

UNITS = (
    ("tests/adversity/gateway/", "tests/conformance/blocks/", "tests/properties/test_blocks"),
    (
        "tests/conformance/pgwire/",
        "tests/conformance/catalog/test_keys",
        "tests/conformance/catalog/test_statistics_in_sql",
        "tests/conformance/catalog/test_traffic",
        "tests/conformance/catalog/test_views_in_sql",
        "tests/conformance/copy/",
        "tests/conformance/explain/",
        "tests/conformance/session/",
        "tests/conformance/temporary/",
        "tests/conformance/tpch/",
        "tests/drivers/",
    ),
    ("tests/kubernetes/",),
    ("tests/conformance/engine/test_spark", "tests/conformance/test_jobs", "tests/conformance/translation/"),
    ("tests/conformance/catalog/",),
    ("tests/conformance/relay/",),
)
"""By the beginnings of their paths, of which the first that fits counts. What they share: a gateway and its oracle (the
first two are together as long as all others), a cluster, Spark, a metastore, a server that is relayed to."""


def unit_of(test: str) -> str:
    """The name of the unit that a test, by its node id, belongs to."""
    return next((unit[0] for unit in UNITS if test.startswith(unit)), test.partition("::")[0])


class UnitScheduling(LoadScopeScheduling):
    """Hands units out, in the order in which the tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> UnitScheduling:
    return UnitScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """After the order was made random."""
    if xdist.is_xdist_worker(session):
        ranks = {unit[0]: rank for rank, unit in enumerate(UNITS)}
        items.sort(key=lambda item: ranks.get(unit_of(item.nodeid), len(UNITS)))
