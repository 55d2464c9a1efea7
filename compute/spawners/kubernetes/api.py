"""The API server in plain values: objects are dictionaries, as they are written in manifests.

kubernetes_asyncio knows how to find, trust and authenticate to a cluster. Its generated classes and its requests are
left out: they take longer than the API server does. What it opens are the connections, which aiohttp uses.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config.config_exception import ConfigException

from compute.spawners import CannotStart

Object = Mapping[str, Any]
REQUEST_SECONDS = 30.0
REPEATS = 8
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 5.0
CLOSE_SECONDS = 2.0
LONGEST_EVENT = 8 << 20
"""Bytes of a watch's line. etcd itself takes no object above 1.5 MiB."""
QUOTED_BYTES = 200
T = TypeVar("T")


class Refused(Exception):
    """The API server answered, and not well. `status` is HTTP's, `reason` Kubernetes' word for it.

    `pause_seconds` is how long the server asks to be left alone.
    """

    def __init__(self, status: int, reason: str, message: str, pause_seconds: float = 0.0) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status = status
        self.reason = reason
        self.pause_seconds = pause_seconds

    @property
    def conflicts(self) -> bool:
        """The object is not what the request presumed: another version, owner or state, or there already."""
        return self.status in (409, 422)

    @property
    def is_absent(self) -> bool:
        return self.status == 404


class Api:
    """Requests of one client. Every call raises Refused, or OSError where no answer came.

    What the server turned away only for that moment is asked again, a few times. A request whose caller is cancelled
    goes on to its answer: cut short, its connection would be closed in order, by a farewell that nobody waits for.
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._configuration = client.configuration
        self._host = str(client.configuration.host)
        self._proxy = client.configuration.proxy or _proxy_of(self._host)
        connections = client.rest_client.pool_manager.connector
        self._session = aiohttp.ClientSession(
            connector=connections, connector_owner=False, read_bufsize=LONGEST_EVENT // 2
        )
        self._asking: set[asyncio.Task[Any]] = set()

    @classmethod
    async def connect(cls, kubeconfig: Path | None) -> "Api":
        """As a kubeconfig file says, else as the pod that we are. Raises CannotStart. Nothing is asked yet."""
        configuration = type.__call__(Configuration)
        try:
            if kubeconfig is None:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        except (ConfigException, OSError) as error:
            raise CannotStart(f"no Kubernetes cluster to start machines in: {error}") from error
        return cls(ApiClient(configuration))

    async def close(self) -> None:
        """Leaves no connection. A server that is slow to answer what is under way is not waited for."""
        if asking := list(self._asking):
            _, late = await asyncio.wait(asking, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._session.close()
        await self._client.close()
        await asyncio.sleep(0)  # what was aborted is closed in the loop's next turn

    async def create(self, path: str, manifest: Object) -> Object:
        return await self._request("POST", path, body=manifest)

    async def read(self, path: str) -> Object:
        return await self._request("GET", path)

    async def replace(self, path: str, manifest: Object) -> Object:
        return await self._request("PUT", path, body=manifest)

    async def patch(self, path: str, operations: Sequence[Object]) -> Object:
        """A JSON patch: all of its operations, or none. A failed test is a Refused that `conflicts`."""
        return await self._request("PATCH", path, body=operations, kind="application/json-patch+json")

    async def delete(self, path: str, *, grace_seconds: int | None = None, unless_changed: str | None = None) -> None:
        """`unless_changed` is the resource version that it must still have. What is gone already is no error."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if unless_changed is not None:
            options["preconditions"] = {"resourceVersion": unless_changed}
        try:
            await self._request("DELETE", path, body=options)
        except Refused as refused:
            if not refused.is_absent:
                raise

    async def list(self, path: str, **query: str) -> Object:
        return await self._request("GET", path, query=query)

    async def watch(self, path: str, **query: str) -> AsyncIterator[Object]:
        """Events until the server ends the watch, which it does as it likes. Raises Refused (410 among them)."""
        limits = aiohttp.ClientTimeout(sock_connect=REQUEST_SECONDS, sock_read=float(query["timeoutSeconds"]) + 30)
        sending = self._send("GET", path, {**query, "watch": "true"}, None, "application/json", limits)
        async with await self._undisturbed(sending) as answer:
            if answer.status != 200:
                raise _refused(answer, await answer.read())
            try:
                async for line in answer.content:
                    yield _read_event(line)
            except (aiohttp.ClientError, ValueError) as error:
                raise OSError(f"the watch broke: {error}") from error
            finally:
                _cut(answer)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | Sequence[Object] | None = None,
        kind: str = "application/json",
    ) -> Object:
        for pause in (FIRST_PAUSE_SECONDS * 2**number for number in range(REPEATS)):
            try:
                return await self._undisturbed(self._ask(method, path, query or {}, body, kind))
            except Refused as refused:
                if not _would_pass(method, refused):
                    raise
                pause = min(max(pause, refused.pause_seconds), LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        return await self._undisturbed(self._ask(method, path, query or {}, body, kind))

    async def _undisturbed(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.get_running_loop().create_task(work)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_drop)
            raise

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str], body: Object | Sequence[Object] | None, kind: str
    ) -> Object:
        limits = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        answer = await self._send(method, path, query, body, kind, limits)
        async with answer:
            try:
                content = await answer.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise OSError(f"the API server's answer broke off: {error!r}") from error
        if answer.status not in (200, 201, 202):
            raise _refused(answer, content)
        try:
            return _read_object(content)
        except ValueError as error:
            raise OSError(f"no API server has answered: {error}") from error

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | Sequence[Object] | None,
        kind: str,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", "Content-Type": kind}
        if (token := await self._configuration.get_api_key_with_prefix("BearerToken")) is not None:
            headers["Authorization"] = token
        try:
            return await self._session.request(
                method,
                f"{self._host}{path}",
                params=query,
                headers=headers,
                data=None if body is None else orjson.dumps(body),
                timeout=limits,
                proxy=self._proxy,
                proxy_headers=self._configuration.proxy_headers,
                server_hostname=self._configuration.tls_server_name,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise OSError(
                f"the API server of KUBECONFIG or of this pod, {self._host}, does not answer: {why}"
            ) from error


def _proxy_of(host: str) -> str | None:
    """What the environment says, asked once."""
    address = urlsplit(host)
    return None if proxy_bypass(address.hostname or "") else getproxies().get(address.scheme)


def _cut(answer: aiohttp.ClientResponse) -> None:
    """Ends the connection of an answer that has no end: closed in order, it would wait for the server's goodbye."""
    if answer.connection is not None and answer.connection.transport is not None:
        answer.connection.transport.abort()


def _drop(task: "asyncio.Task[Any]") -> None:
    """Nobody wants its result: a watch that has been opened is over."""
    if not task.cancelled() and task.exception() is None and isinstance(task.result(), aiohttp.ClientResponse):
        _cut(task.result())
        task.result().close()


def _read_object(content: bytes) -> Object:
    """Raises ValueError, which quotes what it is instead: a page of a proxy's, for example."""
    try:
        parsed = orjson.loads(content)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ValueError(f"{content[:QUOTED_BYTES].decode(errors='replace')!r} is no object")
    return parsed


def _read_event(line: bytes) -> Object:
    """Raises Refused where the event is an error, ValueError where it is none at all."""
    if len(line) > LONGEST_EVENT:
        raise ValueError("an event is too long")
    event = _read_object(line)
    if not {"type", "object"} <= event.keys():
        raise ValueError(f"{line[:QUOTED_BYTES].decode(errors='replace')!r} is no event")
    if event["type"] == "ERROR":
        status = event["object"]
        raise Refused(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
    return event


def _would_pass(method: str, refused: Refused) -> bool:
    """Whether nothing was done, and for a reason that passes by itself.

    Too many requests; or others wrote at the same time. For a POST that is the quota's count (a name that is taken has
    a reason of its own), for a patch it is the object, whose preconditions are among the operations. Elsewhere such a
    conflict is the answer to a precondition.
    """
    return refused.status == 429 or (refused.reason == "Conflict" and method in ("POST", "PATCH"))


def _refused(answer: aiohttp.ClientResponse, content: bytes) -> Refused:
    told: Object = {}
    with suppress(ValueError):
        told = _read_object(content)
    message = str(told.get("message", content[:QUOTED_BYTES].decode(errors="replace")))
    asked = answer.headers.get("Retry-After", "")
    return Refused(answer.status, str(told.get("reason", "")), message, float(asked) if asked.isdecimal() else 0.0)
