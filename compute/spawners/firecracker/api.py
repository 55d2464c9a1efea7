"""The VMM's API: HTTP with JSON over a Unix socket in its jail."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from compute.spawners import CannotStart
from compute.spawners.firecracker.calls import Call

MAX_ANSWER = 64 << 10
MAX_REASON = 1000


class Api:
    """One VMM's. It answers one call after the other."""

    def __init__(self, socket_path: Path, seconds: float) -> None:
        self._seconds = seconds
        self._session = aiohttp.ClientSession(
            base_url="http://localhost",
            connector=aiohttp.UnixConnector(path=str(socket_path), limit=1),
            timeout=aiohttp.ClientTimeout(total=seconds),
        )

    async def send(self, call: Call) -> Mapping[str, Any]:
        """The answer, empty for most calls. Raises CannotStart with the VMM's own reason."""
        try:
            body = json.dumps(call.body).encode() if call.method != "GET" else None
            headers = {"Content-Type": "application/json"} if body is not None else {}
            async with self._session.request(call.method, call.path, data=body, headers=headers) as response:
                return await _read(call, response)
        except TimeoutError:
            raise CannotStart(f"{call.method} {call.path}: the VMM did not answer in {self._seconds:g} s") from None
        except aiohttp.ClientError as error:
            raise CannotStart(f"{call.method} {call.path}: the VMM went away: {error}") from error

    async def close(self) -> None:
        await self._session.close()


async def _read(call: Call, response: aiohttp.ClientResponse) -> Mapping[str, Any]:
    if response.status != 204 and (response.content_length is None or response.content_length > MAX_ANSWER):
        raise CannotStart(f"{call.method} {call.path}: the VMM's answer has no length, or one over the bound")
    answer = _parse(await response.read())
    if response.status >= 300:
        reason = str(answer.get("fault_message", "no reason given"))[:MAX_REASON]
        raise CannotStart(f"{call.method} {call.path}: {reason}")
    return answer


def _parse(text: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(text or b"{}")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
