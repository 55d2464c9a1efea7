"""The keys of token issuers: fetched over HTTPS when a token needs them, kept, and fetched anew when they have changed.

Who shows a token that names an unknown key may cause a fetch, so an issuer is asked at most once in `PAUSE_SECONDS`,
whatever is shown; those who come meanwhile wait for the same answer. Where an issuer cannot be reached, its last keys
hold on for `STALE_SECONDS`.
"""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Callable, Iterable, Mapping

import aiohttp
import jwt

from gateway.auth.token import LONGEST_DOCUMENT, Issuer, TokenRefused, UnknownKey, check_token, read_keys

log = logging.getLogger(__name__)

FRESH_SECONDS = 3600.0
STALE_SECONDS = 24 * 3600.0
PAUSE_SECONDS = 10.0
FETCH_SECONDS = 5.0


class IssuerUnreachable(Exception):
    """It did not answer, or not with what an issuer answers."""


class KeyRing:
    """One issuer's keys. `clock` is in seconds and only goes forward."""

    def __init__(self, issuer: Issuer, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer = issuer
        self._clock = clock
        self._context = ssl.create_default_context(cafile=issuer.authority)
        self._fetching = asyncio.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched = self._tried = -STALE_SECONDS

    async def judge(self, token: str, user: str) -> bool:
        """Whether the token lets this user in; the log has why not."""
        try:
            await self._check(token, user)
        except TokenRefused as refusal:
            log.info("a token of issuer %s was refused: %s", self.issuer.name, refusal)
            return False
        return True

    async def _check(self, token: str, user: str) -> None:
        if self._clock() - self._fetched > FRESH_SECONDS:
            await self._refresh(self._fetched)
        asked = self._fetched
        try:
            check_token(token, self.issuer, self._keys, user)
        except UnknownKey:
            await self._refresh(asked)
            check_token(token, self.issuer, self._keys, user)

    async def _refresh(self, known: float) -> None:
        """Fetches the keys, unless somebody has since `known`, or has tried just now."""
        async with self._fetching:
            now = self._clock()
            if self._fetched > known or now - self._tried < PAUSE_SECONDS:
                return
            self._tried = now
            try:
                self._keys = await self._fetch()
                self._fetched = now
            except IssuerUnreachable as error:
                log.warning("the keys of issuer %s cannot be had: %s", self.issuer.name, error)
                if now - self._fetched > STALE_SECONDS:
                    self._keys = {}

    async def _fetch(self) -> Mapping[str, jwt.PyJWK]:
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        connector = aiohttp.TCPConnector(ssl=self._context)
        try:
            async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
                address = self.issuer.keys or _find_keys(await _get(session, self.issuer.discovery), self.issuer)
                return read_keys(await _get(session, address))
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            raise IssuerUnreachable(str(error) or type(error).__name__) from None


class Issuers:
    """All that the access file names."""

    def __init__(self, issuers: Iterable[Issuer]) -> None:
        self._rings = {issuer.name: KeyRing(issuer) for issuer in issuers}

    async def judge(self, issuer: Issuer, token: str, user: str) -> bool:
        """Whether that issuer's token lets this user in."""
        return await self._rings[issuer.name].judge(token, user)


async def _get(session: aiohttp.ClientSession, address: str) -> bytes:
    """A document of bounded size, from that very address. Raises ValueError, aiohttp.ClientError and TimeoutError."""
    if not address.startswith("https://"):
        raise ValueError(f"{address} is not an https address")
    async with session.get(address, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"{address} answered {response.status}")
        content = b""
        async for piece in response.content.iter_chunked(64 * 1024):
            content += piece
            if len(content) > LONGEST_DOCUMENT:
                raise ValueError(f"{address} answered more than {LONGEST_DOCUMENT} bytes")
        return content


def _find_keys(document: bytes, issuer: Issuer) -> str:
    """Where the issuer keeps its keys, by its discovery document, which must be its own."""
    content = json.loads(document)
    if not isinstance(content, dict) or content.get("issuer") != issuer.url:
        raise ValueError(f"{issuer.discovery} is not of the issuer {issuer.url}")
    return str(content.get("jwks_uri"))
