"""An informer: all objects of one kind, and every change to them, for as long as it runs.

It lists once, then watches from that resource version on. A watch that ends is opened again from the last version that
was seen (bookmarks keep it young); only when the server has forgotten it (410 Gone) everything is listed again, and
what is missing then counts as deleted. Errors are waited out with exponential backoff and jitter.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal

from compute.spawners.kubernetes.api import Api, Object, Refused

PAGE = 500
WATCH_SECONDS = 240
"""After about so long the server ends a watch, so that the watches of many clients spread over its replicas."""
FIRST_BACKOFF_SECONDS = 0.1
LAST_BACKOFF_SECONDS = 10.0
GONE = 410
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """`kind` is ``gone``, sometimes with no more of the object than its name and uid, else ``seen``."""

    kind: Literal["seen", "gone"]
    object: Object


class Informer:
    """Runs as a task from `start` to `stop`. `on_change` is called on the loop and must not raise.

    Names tell its objects apart: those of one namespace, or of none. Nothing else is kept of them.
    """

    def __init__(self, api: Api, path: str, on_change: Callable[[Change], None], *, labels: str = "") -> None:
        self._api = api
        self._path = path
        self._on_change = on_change
        self._selection = {"labelSelector": labels} if labels else {}
        self._version = ""
        self._uids: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self.lists = 0
        self.watches = 0

    async def start(self) -> None:
        """Returns once everything that exists has been told. Raises Refused, OSError."""
        await self._list()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                if not self._version:
                    await self._list()
                if not await self._watch():
                    await self._back_off(OSError("the watch ended at once"))
            except Refused as refused:
                if refused.status == GONE:
                    self._version = ""
                else:
                    await self._back_off(refused)
            except OSError as error:
                await self._back_off(error)
            except Exception as error:
                log.exception("watching %s failed unexpectedly: everything is listed again", self._path)
                self._version = ""
                await self._back_off(error)

    async def _back_off(self, error: Exception) -> None:
        """Half of each pause is chance, so that gateways that lost their server do not come back as one."""
        pause = min(FIRST_BACKOFF_SECONDS * 2**self._failures, LAST_BACKOFF_SECONDS)
        self._failures += 1
        log.warning("watching %s fails, again in about %.1f s: %s", self._path, pause, error)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _list(self) -> None:
        """Reads all pages of one moment. Tells what is there page by page, and at last what is no more."""
        self.lists += 1
        missing = dict(self._uids)
        async for page in self._pages():
            version = page["metadata"]["resourceVersion"]
            for item in page["items"]:
                self._find(item, missing)
        self._version = version
        self._failures = 0
        for name in missing:
            self._lose(name)

    def _find(self, item: Object, missing: dict[str, str]) -> None:
        name, uid = item["metadata"]["name"], item["metadata"]["uid"]
        if missing.pop(name, uid) != uid:
            self._lose(name)
        self._uids[name] = uid
        self._on_change(Change("seen", item))

    def _lose(self, name: str) -> None:
        self._on_change(Change("gone", {"metadata": {"name": name, "uid": self._uids.pop(name)}}))

    async def _pages(self) -> AsyncIterator[Any]:
        query = {**self._selection, "limit": str(PAGE)}
        while True:
            page = await self._api.list(self._path, **query)
            yield page
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token

    async def _watch(self) -> bool:
        """Until the server ends it. Whether anything came: bookmarks do, each minute."""
        self.watches += 1
        came = False
        query = {
            **self._selection,
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async for event in self._api.watch(self._path, **query):
            came, self._failures = True, 0
            self._account(event["type"], event["object"])
        return came

    def _account(self, kind: str, item: Object) -> None:
        self._version = item["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        name, uid = item["metadata"]["name"], item["metadata"]["uid"]
        if kind == "DELETED":
            self._uids.pop(name, None)
            self._on_change(Change("gone", item))
        else:
            self._uids[name] = uid
            self._on_change(Change("seen", item))
