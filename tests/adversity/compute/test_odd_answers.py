"""Answers that are honest but odd: what a machine may say must not be taken for an attack."""

import pytest

from catalog.errors import FeatureNotSupported, InvalidTextRepresentation, SqlError
from compute.connection import LONGEST_ERROR
from compute.guest.conversation import error_frame
from compute.lease import Lease
from compute.transport import encode
from tests.fix_compute import ask


async def test_values_inside_values(lease: Lease) -> None:
    sql = "SELECT list({'a': true, 'b': false, 'c': true}) AS inside FROM range(600000)"
    [row] = await ask(lease, sql)
    assert row["inside"] == [{"a": True, "b": False, "c": True}] * 600_000


async def test_unions_are_refused_by_name(lease: Lease) -> None:
    with pytest.raises(FeatureNotSupported, match="union"):
        await ask(lease, "SELECT [union_value(k := 1)] AS either")
    assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]


async def test_an_error_that_quotes_a_megabyte(lease: Lease) -> None:
    with pytest.raises(InvalidTextRepresentation) as caught:
        await ask(lease, "SELECT CAST(repeat('x', 1100000) AS INT) AS number")
    assert 1000 < len(caught.value.message) < 20_000
    assert not lease.lost


def test_the_longest_error_is_taken() -> None:
    longest = "é" * 1_000_000
    size = sum(len(piece) for piece in encode(error_frame(1, SqlError(longest, detail=longest, hint=longest))))
    assert LONGEST_ERROR // 2 < size < LONGEST_ERROR
