"""Random histories of blocks and of outside commits: what others see is what a model says, at every step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import psycopg
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.blocks import open_blocks, rows, table_folder, things
from tests.target import Target

pytestmark = pytest.mark.spark

Row = tuple[int, str | None]
STEPS = st.sampled_from(["insert", "update", "delete", "save", "back", "outside"])
HISTORIES = st.tuples(st.lists(STEPS, min_size=1, max_size=5), st.sampled_from(["COMMIT", "COMMIT", "ROLLBACK"]))


@dataclass(frozen=True, slots=True)
class State:
    """What a block sees. `old` of its rows were there before it; `touched` says that some of those are no more."""

    old: frozenset[Row]
    own: frozenset[Row] = frozenset()
    touched: bool = False

    def rows(self) -> list[Row]:
        return sorted(self.old | self.own, key=str)


@dataclass(slots=True)
class History:
    """One block on the gateway and in the model. `outside` has what was committed beside it."""

    connection: psycopg.Connection
    gateway: Target
    numbers: Iterator[int]
    state: State
    saved: list[State] = field(default_factory=list)
    outside: set[Row] = field(default_factory=set)

    def insert(self) -> None:
        number = next(self.numbers)
        self.connection.execute("INSERT INTO written.things VALUES (%s, 'own')", (number,))
        self.state = replace(self.state, own=self.state.own | {(number, "own")})

    def update(self) -> None:
        self._change("UPDATE written.things SET word = 'changed' WHERE n % 3 = 0", 3, lambda row: {(row[0], "changed")})

    def delete(self) -> None:
        self._change("DELETE FROM written.things WHERE n % 2 = 0", 2, lambda row: set())

    def _change(self, statement: str, modulus: int, becomes: Callable[[Row], set[Row]]) -> None:
        """Old rows that are written anew are the block's own from then on."""
        self.connection.execute(statement.encode())
        hit = {row for row in self.state.old | self.state.own if row[0] % modulus == 0}
        made = frozenset[Row]().union(*(becomes(row) for row in hit))
        touched = self.state.touched or bool(hit & self.state.old)
        self.state = State(self.state.old - hit, (self.state.own - hit) | made, touched)

    def save(self) -> None:
        self.connection.execute("SAVEPOINT a")
        self.saved.append(self.state)

    def back(self) -> None:
        """A block that has gone back to before its first write would begin anew, with what is there then."""
        if self.saved and not self.outside:
            self.connection.execute("ROLLBACK TO a")
            self.state = self.saved[-1]

    def outside_commit(self) -> None:
        row = (next(self.numbers), "outside")
        table = pa.table({"n": pa.array([row[0]], pa.int32()), "word": [row[1]]})
        write_deltalake(table_folder(self.gateway), table, mode="append")
        self.outside.add(row)


def run(gateway: Target, numbers: Iterator[int], steps: list[str], end: str) -> None:
    with gateway.connect() as connection, gateway.connect() as reader:
        before = frozenset(rows(reader))
        connection.execute("BEGIN")
        history = History(connection, gateway, numbers, State(before))
        for step in steps:
            if step == "outside":
                if not history.state.own and not history.state.touched:
                    continue
                history.outside_commit()
            else:
                getattr(history, step)()
            assert sorted(rows(connection), key=str) == history.state.rows()
            assert frozenset(rows(reader)) == before | history.outside
        refused = end == "COMMIT" and bool(history.outside) and history.state.touched
        try:
            connection.execute(end.encode())
            assert not refused
        except psycopg.errors.SerializationFailure:
            assert refused
        kept = history.state if end == "COMMIT" and not refused else State(before)
        assert frozenset(rows(reader)) == kept.old | kept.own | history.outside


def test_histories(gateway: Target) -> None:
    numbers = iter(range(100, 10_000))

    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(HISTORIES)
    def check(history: tuple[list[str], str]) -> None:
        run(gateway, numbers, *history)

    with things(gateway):
        check()
    assert open_blocks(gateway) == []
