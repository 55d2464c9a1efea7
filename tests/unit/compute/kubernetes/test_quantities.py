"""Quantities as the API server writes them."""

from decimal import Decimal

import pytest

from compute.spawners.kubernetes.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("8", "8"),
        ("7910m", "7.91"),
        ("1.5", "1.5"),
        ("96Mi", "100663296"),
        ("1.5Gi", "1610612736"),
        ("16393244Ki", "16786681856"),
        ("12k", "12000"),
        ("2E", "2000000000000000000"),
        ("2e3", "2000"),
        ("1E3", "1000"),
        ("250u", "0.00025"),
    ],
)
def test_quantities(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "Mi", "1 Gi", "1KB", "one", "1ki", "1.2.3", "NaN"])
def test_others(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        parse_quantity(text)
