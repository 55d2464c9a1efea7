"""The statements that a server runs before it is of use: to train the AOT cache with, and to warm every new JVM.

They are of the kinds that production runs, because only classes and methods that ran are archived and compiled.
"""

from collections.abc import Sequence
from pathlib import Path

from compute.spark.client import ConnectSession


def training_statements(folder: Path) -> Sequence[str]:
    """Creates a table in `folder`, writes to it in every way, and reads it with joins, aggregates and sorts."""
    table = f"delta.`{folder}/table`"
    return (
        f"CREATE TABLE {table} (id BIGINT, name STRING, amount DECIMAL(15,2), day DATE) USING delta"
        " TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')",
        f"INSERT INTO {table} VALUES (1, 'a', 1.5, DATE'2020-01-01'), (2, 'b', 2.5, DATE'2021-01-01')",
        f"INSERT INTO {table} SELECT id, concat('n', id % 7), id / 3, DATE'2022-01-01' FROM range(10, 500)",
        f"SELECT name, count(*), sum(amount * (1 - amount)), avg(amount) FROM {table}"
        " WHERE day >= DATE'2020-06-01' GROUP BY name HAVING count(*) > 1 ORDER BY 2 DESC NULLS LAST LIMIT 10",
        f"SELECT a.name, b.day, CASE WHEN a.name LIKE 'n%' THEN 1 ELSE 0 END FROM {table} a JOIN {table} b USING (id)"
        f" WHERE EXISTS (SELECT 1 FROM {table} c WHERE c.id = a.id + 1) ORDER BY a.id",
        f"UPDATE {table} SET name = 'z' WHERE id = 12",
        f"DELETE FROM {table} WHERE id = 11",
        f"MERGE INTO {table} t USING (SELECT 12 AS id, 'm' AS name) s ON t.id = s.id"
        " WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)",
        f"DESCRIBE HISTORY {table} LIMIT 1",
        f"CREATE TABLE delta.`{folder}/copy` USING delta AS SELECT * FROM {table} VERSION AS OF 1",
        f"SELECT id, row_number() OVER (PARTITION BY name ORDER BY id) FROM {table} UNION ALL SELECT 1, 2",
    )


def warm_up_statements(folder: Path) -> Sequence[str]:
    """The few that pay for most of a new JVM's first statement: a Delta write, a scan with an aggregate, and a join."""
    table = f"delta.`{folder}/warm`"
    return (
        f"CREATE TABLE {table} USING delta AS SELECT id, id % 3 AS kind FROM range(100)",
        f"SELECT a.kind, count(*), sum(b.id) FROM {table} a JOIN {table} b USING (id) GROUP BY a.kind ORDER BY 1",
    )


def cluster_warm_up_statements(tasks: int) -> Sequence[str]:
    """The same for a driver with executors, which see no folder of its own: a join that all of them take part in."""
    numbers = f"SELECT id, id % 3 AS kind FROM range(0, 100000, 1, {tasks})"
    joined = f"({numbers}) a JOIN ({numbers}) b USING (id)"
    return (f"SELECT a.kind, count(*), sum(b.id) FROM {joined} GROUP BY a.kind ORDER BY 1",)


def run_to_end(session: ConnectSession, sql: str) -> None:
    """Runs a statement and drops its rows. Raises ConnectError."""
    for _ in session.execute(sql):
        pass
