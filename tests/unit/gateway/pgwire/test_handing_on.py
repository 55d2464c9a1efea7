"""A cancel request that goes from one gateway to another's listener, and the answer that comes back."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.gateways import Gateways, Peer
from gateway.config import Config
from gateway.keys import Keyring
from gateway.replica import Replica
from gateway.tls import Appearance, make_appearance
from tests.unit.gateway.pgwire.doors import house


class Known(Gateways):
    """A metastore that knows one gateway."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    async def find(self, *, replica: str | None = None, number: int | None = None) -> Peer | None:
        return self.peer if self.peer.replica == replica or number == 7 else None


@pytest.fixture
def shown(tmp_path: Path) -> Appearance:
    return make_appearance(Config(tmp_path))


async def say_yes(_: int, secret: bytes, __: object) -> bytes:
    return b"Y" if secret == b"sealed" else b""


async def test_the_answer_of_the_owner_comes_back(shown: Appearance) -> None:
    async with house(tls=shown.context, cancel=say_yes) as at:
        digest = hashlib.sha256(shown.certificate).digest()
        known = Known(Peer("owner", at.host, at.port, digest))
        replica = Replica(known, Keyring())
        for _ in range(3):
            assert await replica.hand_on("owner", 9, 7 << 21, b"sealed") == b"Y"
            assert await replica.hand_on(None, 7, 7 << 21, b"sealed") == b"Y"
        assert await replica.hand_on("owner", 9, 7 << 21, b"wrong!") == b""
        assert await replica.hand_on("nobody", 9, 7 << 21, b"sealed") == b""
        known.peer = replace(known.peer, certificate=bytes(32))
        with pytest.raises(ConnectionError, match="shows another certificate"):
            await replica.hand_on("owner", 9, 7 << 21, b"sealed")


async def test_a_listener_without_tls_is_told_nothing() -> None:
    async with house() as at:
        replica = Replica(Known(Peer("owner", at.host, at.port, bytes(32))), Keyring())
        with pytest.raises(ConnectionError, match="does not speak TLS"):
            await replica.hand_on("owner", 9, 7 << 21, b"sealed")
        assert at.cancels.empty()
