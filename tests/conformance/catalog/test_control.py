"""What has been committed has happened, whether this gateway can read it at once or not."""

from collections.abc import Iterable
from typing import Any

from psycopg import AsyncConnection

from catalog.control import ControlDatabase
from catalog.errors import CannotConnectNow
from catalog.inventory import Inventory, load_inventory
from catalog.names import TableName
from tests.fix_cluster import eventually
from tests.fix_metastore import Metastore


async def test_a_change_that_cannot_be_read_has_happened_and_is_read_later(metastore: Metastore) -> None:
    async def refresh(
        connection: AsyncConnection[Any], state: Inventory, version: int, touched: Iterable[TableName]
    ) -> Inventory:
        raise CannotConnectNow("the metastore is too busy")

    endpoint = metastore.server.owner_endpoint(metastore.workspace)
    database = ControlDatabase[Inventory](endpoint, load_inventory, refresh)
    await database.open()
    try:
        before = database.state.version
        async with database.change() as revision:
            revision.tables = set()
        await eventually(lambda: database.state.version == before + 1)
    finally:
        await database.close()
