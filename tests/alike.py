"""One question to the oracle and to the gateway: what PostgreSQL answers is what a client must see."""

from collections.abc import Callable
from typing import TypeVar

from tests.target import Target

Answer = TypeVar("Answer")


def asked_of_both(oracle: Target, gateway: Target, ask: Callable[[Target], Answer]) -> Answer:
    """The answer, which is the same."""
    wanted = ask(oracle)
    assert ask(gateway) == wanted
    return wanted
