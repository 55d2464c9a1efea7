"""Where a cursor stands and where FETCH and MOVE take it. Pure.

Rows count from 1. A cursor at 0 is before the first row, one after the last row past the end. Reference: PostgreSQL
`src/backend/tcop/pquery.c`, DoPortalRunFetch.
"""

from dataclasses import dataclass

from planner.plan import ALL_ROWS, Direction, Movement


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rows that a movement gives: `count` at most from `first` on, descending if it goes `back`; and where the
    cursor `lands`, if there are so many."""

    first: int
    count: int
    lands: int
    back: bool = False


def needs_total(movement: Movement) -> bool:
    """Whether it counts from the end."""
    return movement.direction is Direction.ABSOLUTE and movement.count < 0


def locate(movement: Movement, at: int, *, on_row: bool, total: int = 0) -> Stretch:
    """What a movement means to a cursor at `at`; `total` rows matter where `needs_total` says so."""
    count = movement.count
    match movement.direction:
        case Direction.ABSOLUTE:
            return _single(total + 1 + count if count < 0 else count)
        case Direction.RELATIVE if count:
            return _single(at + count)
        case Direction.BACKWARD:
            count = -count
    if count > 0:
        return Stretch(at + 1, count, at + count)
    if count < 0:
        return Stretch(at - 1, min(-count, max(at - 1, 0)), max(at + count, 0), back=True)
    return Stretch(at, int(on_row), at)


def _single(row: int) -> Stretch:
    return Stretch(row, 1, row) if row > 0 else Stretch(0, 0, 0)


def goes_back(movement: Movement, at: int, *, on_row: bool, silent: bool) -> bool:
    """Whether a NO SCROLL cursor refuses it. MOVE, which is `silent`, only counts where FETCH would go back a row."""
    count = movement.count
    match movement.direction:
        case Direction.ABSOLUTE:
            return count < 0 or (count <= at and at > 0)
        case Direction.RELATIVE if count:
            return count < 0
        case Direction.BACKWARD if count == ALL_ROWS and silent:
            return at > 0
        case Direction.BACKWARD if count:
            return count > 0
        case Direction.BACKWARD:
            return not silent
    return count < 0 or (count == 0 and on_row and not silent)
