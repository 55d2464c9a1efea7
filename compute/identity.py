"""What makes a machine differ from every other one of its template, in the order in which it must be obeyed."""

from dataclasses import dataclass

from compute.engines import Binding


@dataclass(frozen=True, slots=True)
class Identity:
    """Host name and wall clock (nanoseconds since 1970) come first, then the engine is bound."""

    hostname: str
    time_ns: int
    binding: Binding
