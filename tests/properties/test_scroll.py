"""Every sequence of FETCH and MOVE, against PostgreSQL's own rules over a list."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import ObjectNotInPrerequisiteState
from gateway.scroll import Scroll
from planner.plan import ALL_ROWS, Direction, Movement

REFUSED = "refused"


@dataclass
class Chunks:
    """Rows by number, in batches of `size`."""

    count: int
    size: int

    async def read(self, row: int) -> pa.RecordBatch | None:
        if row >= self.count:
            return None
        return _batch(range(row, min(row // self.size * self.size + self.size, self.count)))

    async def read_back(self, row: int) -> pa.RecordBatch:
        return _batch(range(row // self.size * self.size, row + 1))

    async def complete(self) -> int:
        return self.count


def _batch(rows: range) -> pa.RecordBatch:
    return pa.record_batch({"row": pa.array([row + 1 for row in rows], pa.int64())})


class Refusal(Exception):
    """The model does not go back."""


class Model:
    """The executor's view of a portal: two flags and a position, moved step by step."""

    def __init__(self, count: int, *, scrolls: bool) -> None:
        self.rows = list(range(1, count + 1))
        self.scrolls = scrolls
        self.at_start, self.at_end, self.position = True, False, 0

    def run(self, forward: bool, count: int) -> list[int]:
        if not forward and not self.scrolls:
            raise Refusal
        if count <= 0 or (self.at_end if forward else self.at_start):
            return []
        if forward:
            found = self.rows[self.position : self.position + count]
            self.at_start = self.at_start and not found
            self.at_end = len(found) < count
            self.position += len(found)
            return found
        if self.at_end:
            self.at_end, self.position = False, self.position + 1
        found = self.rows[: max(self.position - 1, 0)][::-1][:count]
        if len(found) < count:
            self.at_start, self.position = True, 0
        else:
            self.position -= len(found)
        return found

    def rewind(self) -> None:
        if self.at_start and not self.at_end:
            return
        if not self.scrolls:
            raise Refusal
        self.at_start, self.at_end, self.position = True, False, 0

    def fetch(self, movement: Movement, *, silent: bool) -> list[int]:
        count = movement.count
        if movement.direction is Direction.ABSOLUTE:
            return self._absolute(count)
        if movement.direction is Direction.RELATIVE and count:
            self.run(count > 0, abs(count) - 1)
            return self.run(count > 0, 1)
        forward = movement.direction is not Direction.BACKWARD
        if count < 0:
            forward, count = not forward, -count
        if count == 0:
            on_row = not (self.at_start or self.at_end)
            if silent:
                return [0] * on_row
            if on_row:
                self.run(False, 1)
                return self.run(True, 1)
        if not forward and count == ALL_ROWS and silent:
            passed = self.position - (self.position > 0 and not self.at_end)
            self.rewind()
            return [0] * passed
        return self.run(forward, count)

    def _absolute(self, count: int) -> list[int]:
        if count < 0:
            self.run(True, ALL_ROWS)
            if count < -1:
                self.run(False, -count - 1)
            return self.run(False, 1)
        if count == 0 or count - 1 <= self.position // 2:
            self.rewind()
            self.run(True, count - 1)
            return self.run(True, 1) if count else []
        position = self.position + self.at_end
        if count <= position:
            self.run(False, position - count + 1)
        elif count > position + 1:
            self.run(True, count - position - 1)
        return self.run(True, 1)


counts = st.integers(-8, 8) | st.just(ALL_ROWS)
movements = st.builds(Movement, st.sampled_from([Direction.FORWARD, Direction.BACKWARD]), counts) | st.builds(
    Movement, st.sampled_from([Direction.ABSOLUTE, Direction.RELATIVE]), st.integers(-8, 8)
)


@given(st.lists(st.tuples(movements, st.booleans()), max_size=30), st.integers(0, 7), st.integers(1, 4), st.booleans())
def test_scroll(steps: Sequence[tuple[Movement, bool]], count: int, size: int, scrolls: bool) -> None:
    scroll, model = Scroll(Chunks(count, size), scrolls=scrolls), Model(count, scrolls=scrolls)

    async def walk() -> None:
        for movement, silent in steps:
            expected = answer_of_model(model, movement, silent)
            assert await answer(scroll, movement, silent) == expected, (movement, silent)
            if expected == REFUSED:
                return

    asyncio.run(walk())


def answer_of_model(model: Model, movement: Movement, silent: bool) -> list[int] | int | str:
    try:
        found = model.fetch(movement, silent=silent)
    except Refusal:
        return REFUSED
    return len(found) if silent else found


async def answer(scroll: Scroll, movement: Movement, silent: bool) -> list[int] | int | str:
    try:
        if silent:
            return await scroll.move(movement)
        return [row for batch in [each async for each in scroll.fetch(movement)] for row in batch.column(0).to_pylist()]
    except ObjectNotInPrerequisiteState:
        return REFUSED
