"""What a clone comes to becomes one commit of the table, behind outside commits where the two can be told apart."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from catalog.clone import admit_state, net_actions, place, write_clone
from catalog.commit import Commit, Origin, withdraw
from catalog.errors import FeatureNotSupported, InternalError, SerializationFailure
from catalog.landing import Landing
from catalog.names import TableName
from catalog.replay import Action, LogState, newest_version, read_commit, read_definition, read_state
from tests.lakes import commit_path, local_log

BLIND: Action = {"isBlindAppend": True}
NAME = TableName("tpch", "orders")


class Block:
    """A clone of `table` as a block has it, in a folder beside."""

    def __init__(self, table: Path, *, strict: bool = False) -> None:
        self.table, self.folder = table, table.parent / "_blocks" / "b"
        self.base = read_state(local_log(table), newest_version(local_log(table)))
        self.clone = self.folder / "0"
        self.origin = Origin(NAME, str(table), str(table.parent), self.base.metadata["id"], self.base.version, strict)
        write_clone(self.clone, self.base, table)

    def append(self, *numbers: int) -> None:
        write_deltalake(self.clone, batch(*numbers), mode="append")

    def delete(self) -> None:
        """The last row of the table, which has a file of its own; as an engine says it that reads files elsewhere."""
        version = newest_version(local_log(self.clone))
        (path,) = (action["add"]["path"] for action in read_commit(local_log(self.table), 1) if "add" in action)
        path = place(path, self.table)
        action = {"path": path, "deletionTimestamp": 0, "dataChange": True}
        commit_path(self.clone, version + 1).write_text(json.dumps({"remove": action}))

    @property
    def commit(self) -> Commit:
        return self.commit_after(BLIND)

    def commit_after(self, *history: Action, reads: bool = False) -> Commit:
        state = read_state(local_log(self.clone), newest_version(local_log(self.clone)))
        net = net_actions(self.base, str(self.table), state, self.clone)
        return Commit(self.origin, net, history, self.folder, reads=reads)

    def put(self, *history: Action, reads: bool = False) -> int:
        commit = self.commit_after(*history or (BLIND,), reads=reads)
        commit.prepare()
        return commit.put()


def batch(*numbers: int) -> pa.Table:
    return pa.table({"n": pa.array(numbers, pa.int64()), "kind": [f"k {n % 2}" for n in numbers]})


def content(table: Path) -> list[int]:
    return sorted(DeltaTable(table).to_pyarrow_table().column("n").to_pylist())


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and path.stat().st_nlink > 0}


@pytest.fixture(params=[None, ["kind"]], ids=["plain", "partitioned"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "a table of ours, é"
    write_deltalake(folder, batch(1, 2, 3), partition_by=request.param)
    write_deltalake(folder, batch(4), mode="append")
    return folder


@pytest.mark.parametrize("path", ["{}", "../../../{}"], ids=["absolute", "upwards"])
def test_a_commit_that_others_have_written_takes_nothing_back_elsewhere(table: Path, path: str) -> None:
    forged, victim = table.parent / "_blocks" / "forged", table.parent / "victim"
    (forged / "0").mkdir(parents=True)
    victim.touch()
    named = path.format(victim if path == "{}" else victim.name)
    (forged / "commit.json").write_text(json.dumps({"add": {"path": named}}))
    (forged / "table.json").write_text(json.dumps({"location": str(table), "version": 99}))
    with pytest.raises(PermissionError):
        withdraw(forged)
    assert victim.exists()


def test_a_checkpoint_says_what_the_commits_say(table: Path) -> None:
    commits = read_state(local_log(table), 1)
    DeltaTable(table).create_checkpoint()
    commit_path(table, 0).unlink()
    found = read_state(local_log(table), 1)
    assert found.metadata == commits.metadata
    assert found.files.keys() == commits.files.keys()
    for path, file in found.files.items():
        assert json.loads(file["stats"]) == json.loads(commits.files[path]["stats"])
        assert file["partitionValues"] == commits.files[path]["partitionValues"]


def test_a_definition_is_read_without_files(table: Path) -> None:
    state = read_state(local_log(table), 1)
    assert read_definition(local_log(table), 1) == LogState(1, state.protocol, state.metadata, {})
    DeltaTable(table).create_checkpoint()
    commit_path(table, 0).unlink()
    assert read_definition(local_log(table), 1) == LogState(1, state.protocol, state.metadata, {})


def test_what_was_appended_is_one_commit(table: Path) -> None:
    block = Block(table)
    block.append(5)
    block.append(6, 7)
    assert content(table) == [1, 2, 3, 4]
    assert block.put() == 2
    withdraw(block.folder)
    assert content(table) == [1, 2, 3, 4, 5, 6, 7]
    assert all(str(block.folder) not in uri for uri in DeltaTable(table).file_uris())


def test_what_was_removed_is_named_as_the_table_names_it(table: Path) -> None:
    block = Block(table)
    block.delete()
    block.append(5)
    block.put()
    assert content(table) == [1, 2, 3, 5]


def test_additions_go_behind_an_outside_commit(table: Path) -> None:
    block = Block(table)
    block.append(5)
    DeltaTable(table).delete("n = 4")
    write_deltalake(table, batch(8), mode="append")
    assert block.put() == 4
    assert content(table) == [1, 2, 3, 5, 8]


@pytest.mark.parametrize(
    ("history", "reads"), [(({"isBlindAppend": True}, {}), False), (({"isBlindAppend": True},), True)]
)
def test_what_has_read_the_table_goes_behind_blind_appends_alone(
    table: Path, history: tuple[Action, ...], *, reads: bool
) -> None:
    block = Block(table)
    block.append(5)
    commit = block.commit_after(*history, reads=reads)
    commit.prepare()
    write_deltalake(table, batch(8), mode="append")
    assert commit.put() == 3
    told = DeltaTable(table).history(1)[0]
    assert (told["isBlindAppend"], told["isolationLevel"]) == (False, "WriteSerializable")
    shutil.rmtree(block.folder)
    block = Block(table)
    block.append(6)
    DeltaTable(table).delete("n = 8")
    with pytest.raises(SerializationFailure):
        block.put(*history, reads=reads)
    assert content(table) == [1, 2, 3, 4, 5]


def test_a_removal_is_no_blind_append(table: Path) -> None:
    block = Block(table)
    block.delete()
    block.put()
    told = next(read_commit(local_log(table), 2))["commitInfo"]
    assert (told["isBlindAppend"], told["isolationLevel"]) == (False, "Serializable")


def test_a_table_made_anew_gets_no_commit_of_the_old_one(table: Path) -> None:
    block = Block(table)
    block.append(5)
    shutil.rmtree(table)
    with pytest.raises(SerializationFailure, match="concurrent update"):
        block.put()
    assert not table.exists()
    write_deltalake(table, batch(9))
    before = files(table)
    with pytest.raises(SerializationFailure) as failed:
        block.put()
    assert failed.value.detail == f"Table {NAME} was made anew since this transaction has written it."
    assert files(table) == before


def test_others_do_not_and_leave_nothing(table: Path) -> None:
    block = Block(table)
    block.delete()
    block.append(5)
    write_deltalake(table, batch(8), mode="append")
    before = files(table)
    with pytest.raises(SerializationFailure) as failed:
        block.put()
    assert failed.value.detail == f"Table {NAME} was at version 1 for this transaction, and is at version 2 now."
    assert files(table) == before
    assert content(table) == [1, 2, 3, 4, 8]


def test_nothing_goes_behind_a_new_schema(table: Path) -> None:
    block = Block(table)
    block.append(5)
    DeltaTable(table).alter.set_table_properties({"delta.appendOnly": "true"})
    with pytest.raises(SerializationFailure):
        block.put()


def test_a_strict_block_goes_behind_nothing(table: Path) -> None:
    block = Block(table, strict=True)
    block.append(5)
    write_deltalake(table, batch(8), mode="append")
    with pytest.raises(SerializationFailure):
        block.put()
    assert content(table) == [1, 2, 3, 4, 8]


def test_whose_version_is_taken_at_the_last_moment_goes_behind(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block, link = Block(table), os.link
    block.append(5)
    commit = block.commit
    commit.prepare()

    def outrun(source: Path, target: str, **places: Any) -> None:
        if target.endswith(".json"):
            monkeypatch.setattr(os, "link", link)
            write_deltalake(table, batch(8), mode="append")
        link(source, target, **places)

    monkeypatch.setattr(os, "link", outrun)
    assert commit.put() == 3
    assert content(table) == [1, 2, 3, 4, 5, 8]


def test_what_was_prepared_is_taken_back(table: Path) -> None:
    """Also where others have come meanwhile."""
    block, before = Block(table), files(table)
    block.append(5)
    commit = block.commit
    commit.prepare()
    prepared = files(table) - before
    write_deltalake(table, batch(8), mode="append")
    commit.take_back()
    assert prepared
    assert not prepared & files(table)
    assert content(table) == [1, 2, 3, 4, 8]


def die_at_commit(block: Block, monkeypatch: pytest.MonkeyPatch, *, happened: bool) -> None:
    """As a killed gateway leaves it: nobody has taken back what was linked."""
    before, link = files(block.table), os.link

    def die(source: Path, target: str, **places: Any) -> None:
        if not target.endswith(".json") or happened:
            link(source, target, **places)
        if target.endswith(".json"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", die)
        patch.setattr(Landing, "take_back", lambda landing: None)
        with pytest.raises(KeyboardInterrupt):
            block.put()
    assert files(block.table) > before


@pytest.mark.parametrize("happened", [False, True])
def test_who_died_at_commit_is_cleared_up_after(
    table: Path, monkeypatch: pytest.MonkeyPatch, *, happened: bool
) -> None:
    block, before = Block(table), files(table)
    block.append(5)
    die_at_commit(block, monkeypatch, happened=happened)
    withdraw(block.folder)
    assert content(table) == ([1, 2, 3, 4, 5] if happened else [1, 2, 3, 4])
    assert (files(table) == before) is not happened


def test_a_commit_that_the_log_has_dropped_keeps_its_files(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As log clean-up does behind a checkpoint."""
    block = Block(table)
    block.append(5)
    die_at_commit(block, monkeypatch, happened=True)
    write_deltalake(table, batch(8), mode="append")
    DeltaTable(table).create_checkpoint()
    commit_path(table, 2).unlink()
    withdraw(block.folder)
    assert content(table) == [1, 2, 3, 4, 5, 8]


def test_a_half_written_commit_is_none(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block, before, sync = Block(table), files(table), os.fsync
    block.append(5)

    def fill(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").endswith("commit.unfinished"):
            raise OSError(errno.ENOSPC, "full")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(OSError, match="full"):
        block.put()
    withdraw(block.folder)
    assert files(table) == before


def changed(state: LogState, **metadata: object) -> LogState:
    return LogState(state.version, state.protocol, {**state.metadata, **metadata}, state.files)


def test_what_is_not_understood_is_refused(table: Path) -> None:
    state = read_state(local_log(table), 1)
    admit_state(state)
    refused = [
        changed(state, configuration={"delta.enableChangeDataFeed": "TRUE"}),
        changed(state, schemaString=state.metadata["schemaString"].replace("{}", '{"delta.identity.start":1}', 1)),
        LogState(1, {"minReaderVersion": 3, "minWriterVersion": 7, "writerFeatures": ["news"]}, state.metadata, {}),
        LogState(1, {"minReaderVersion": 4, "minWriterVersion": 8}, state.metadata, {}),
        LogState(1, state.protocol, state.metadata, {"a": {"path": "a", "deletionVector": {"storageType": "u"}}}),
    ]
    for each in refused:
        with pytest.raises(FeatureNotSupported, match="a transaction block does not write a table with"):
            admit_state(each)


def wider(*numbers: int) -> pa.Table:
    return batch(*numbers).append_column("more", pa.array(numbers))


def test_columns_and_files_are_one_commit(table: Path) -> None:
    block = Block(table)
    write_deltalake(block.clone, wider(5), mode="append", schema_mode="merge")
    write_deltalake(table, batch(8), mode="append")
    assert block.put() == 3
    assert content(table) == [1, 2, 3, 4, 5, 8]
    found = DeltaTable(table).to_pyarrow_table()
    assert sorted(found.column("more").to_pylist(), key=str) == [5, *[None] * 5]


def test_columns_alone_are_a_commit(table: Path) -> None:
    block = Block(table)
    write_deltalake(block.clone, wider(), mode="append", schema_mode="merge")
    assert block.put() == 2
    assert [field.name for field in DeltaTable(table).schema().fields] == ["n", "kind", "more"]
    assert content(table) == [1, 2, 3, 4]


def test_a_commit_goes_behind_no_columns_of_others(table: Path) -> None:
    block = Block(table)
    write_deltalake(block.clone, wider(5), mode="append", schema_mode="merge")
    write_deltalake(table, wider(8), mode="append", schema_mode="merge")
    with pytest.raises(SerializationFailure):
        block.put()
    assert content(table) == [1, 2, 3, 4, 8]


def test_a_clone_that_has_come_to_need_more_is_not_committed(table: Path) -> None:
    block = Block(table)
    DeltaTable(block.clone).alter.set_table_properties({"delta.enableChangeDataFeed": "true"})
    with pytest.raises(FeatureNotSupported):
        assert block.commit


@pytest.mark.parametrize("spelt", ["_delta_log", "%5Fdelta_log", "./_delta_log"])
def test_a_clone_commits_no_file_of_a_log(table: Path, spelt: str) -> None:
    """As a machine that was taken over may write it."""
    block = Block(table)
    file = {"path": f"{spelt}/{0:020}.json", "size": 1, "partitionValues": {}, "dataChange": True}
    commit_path(block.clone, 1).write_text(json.dumps({"add": file}))
    with pytest.raises(InternalError):
        assert block.commit
