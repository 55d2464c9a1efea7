"""Ranges of objects in a store that speaks S3, with credentials that never leave this process, and links to objects.

Each table's folder is read with what `catalog.credentials` lends its workspace for it. An object is known by the size
that its table's log tells, and, once a part of it was read, by its tag: what has been put in its place meanwhile is an
error, not rows. Requests are tried again by the library, within a deadline; how many are under way in all, and so how
many bytes, is bounded.

References: Amazon S3 API, "GetObject" (Range, If-Match), "Authenticating Requests: Using Query Parameters".
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from catalog.credentials import STORE_HINT, CredentialProvider
from catalog.errors import InsufficientPrivilege, SqlError, StoreUnavailable, UnreadableTable
from catalog.locations import is_below, split_object

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import S3Credential, S3Store

MOST_UNDER_WAY = 64
"""Requests of a gateway; each has the room of a READ."""
MOST_STORES = 256
LINK_SECONDS = 120
"""How long a link is good for, by the store's clock."""


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A folder of a store, and the workspace that it is a table of."""

    workspace: str
    location: str


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a connection, for an answer, for all tries of a read, and until nobody waits for it any more."""

    connect: float = 5.0
    answer: float = 10.0
    tries: float = 20.0
    deadline: float = 40.0


class ObjectReader:
    """One for a gateway."""

    def __init__(self, credentials: CredentialProvider, patience: Patience = Patience()) -> None:
        self._credentials = credentials
        self._patience = patience
        self._stores: OrderedDict[StoredTable, S3Store] = OrderedDict()
        self._free = asyncio.Semaphore(MOST_UNDER_WAY)

    async def read(
        self, table: StoredTable, path: str, size: int, part: range, tag: str | None
    ) -> tuple[pa.Buffer, str]:
        """Those bytes of an object of the table, and its tag, which has to be `tag` if one is known.

        Raises UnreadableTable for what is gone or was replaced, InsufficientPrivilege where the store refuses,
        StoreUnavailable where it does not answer in time.
        """
        _check_place(table, path)
        try:
            async with asyncio.timeout(self._patience.deadline), self._free:
                return await self._get(table, path, size, part, tag)
        except TimeoutError:
            raise _unavailable() from None

    async def link(self, table: StoredTable, path: str) -> str:
        """A URL by which who has it reads that object of the table, that one alone and not for long.

        It is signed here: the store is not asked. Raises as `read` does.
        """
        from obstore import sign_async

        _check_place(table, path)
        try:
            async with asyncio.timeout(self._patience.deadline):
                validity = timedelta(seconds=LINK_SECONDS)
                return await sign_async(self._store(table), "GET", split_object(path)[1], validity)
        except TimeoutError:
            raise _unavailable() from None
        except Exception as error:
            raise _translate(error) from error

    async def _get(
        self, table: StoredTable, path: str, size: int, part: range, tag: str | None
    ) -> tuple[pa.Buffer, str]:
        from obstore import get_async

        options: GetOptions = {"range": (part.start, part.stop)}
        if tag is not None:
            options["if_match"] = tag
        try:
            found = await get_async(self._store(table), split_object(path)[1], options=options)
            if found.meta["size"] != size:
                raise replaced_object()
            content = pa.py_buffer(await found.bytes_async())
        except Exception as error:
            raise _translate(error) from error
        if content.size != len(part):
            raise _unavailable()
        return content, found.meta["e_tag"] or ""

    def _store(self, table: StoredTable) -> "S3Store":
        """One with connections and credentials of its own for each table."""
        if table not in self._stores:
            self._stores[table] = self._open(table)
            if len(self._stores) > MOST_STORES:
                self._stores.popitem(last=False)
        self._stores.move_to_end(table)
        return self._stores[table]

    def _open(self, table: StoredTable) -> "S3Store":
        """Loaded only where a table lies in a store."""
        from obstore.store import S3Store

        settings, patience = self._credentials.store, self._patience
        endpoint: dict[str, Any] = {} if settings.endpoint is None else {"endpoint": settings.endpoint}

        async def lend() -> "S3Credential":
            lent = await asyncio.to_thread(self._credentials.lend, table.workspace, table.location)
            return {
                "access_key_id": lent.access_key,
                "secret_access_key": lent.secret_key,
                "token": lent.token,
                "expires_at": lent.expires,
            }

        return S3Store(
            split_object(table.location)[0],
            region=settings.region,
            virtual_hosted_style_request=not settings.path_style,
            client_options={
                "allow_http": (settings.endpoint or "").startswith("http:"),
                "connect_timeout": timedelta(seconds=patience.connect),
                "timeout": timedelta(seconds=patience.answer),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=patience.tries)},
            credential_provider=lend,
            **endpoint,
        )


def _check_place(table: StoredTable, path: str) -> None:
    """A log may name any path. Raises UnreadableTable."""
    if not is_below(path, table.location):
        raise UnreadableTable("an object lies outside of its table's folder")


def replaced_object() -> UnreadableTable:
    """An object is not the one that its table's log names, or not the one that was read before."""
    return UnreadableTable(
        "an object of the table is not the one that its log names",
        hint="It was replaced after it was written: restore it.",
    )


def _translate(error: Exception) -> Exception:
    """What the library raises, in our words; what is no fault of the store's stays as it is."""
    from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError

    match error:
        case SqlError():
            return error
        case FileNotFoundError():
            return UnreadableTable("an object of the table is gone", hint="It may have been vacuumed: restore it.")
        case PreconditionError():
            return replaced_object()
        case PermissionDeniedError() | UnauthenticatedError():
            return InsufficientPrivilege("the object store refuses the gateway the table's files", hint=STORE_HINT)
        case BaseError():
            return _unavailable()
    return error


def _unavailable() -> StoreUnavailable:
    return StoreUnavailable("the object store does not answer", hint="Run the statement again.")
