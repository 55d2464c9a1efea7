"""Kubernetes' quantities, such as ``250m``, ``96Mi`` and ``1.5``, as numbers."""

import re
from decimal import Decimal

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_UNITS = {unit: Decimal(10) ** power for unit, power in _DECIMAL.items()}
_UNITS |= {unit: Decimal(1024) ** power for unit, power in _BINARY.items()}
_QUANTITY = re.compile(r"([+-]?[0-9]*\.?[0-9]+\.?(?:[eE][+-]?[0-9]+)?)([numkMGTPE]|[KMGTPE]i|)")


def parse_quantity(text: str) -> Decimal:
    """Raises ValueError."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    return Decimal(found[1]) * _UNITS[found[2]]
