"""The journal: what it holds after a crash at any byte, and that it stays small."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.spawners import journal as journals
from compute.spawners.journal import Journal, JournalFull, Resource, read

NAMES = st.sampled_from(["a", "b", "c"])
RESOURCES = st.builds(Resource, st.sampled_from(["process", "folder"]), st.text(max_size=5))
OPERATIONS = st.lists(st.tuples(NAMES, st.none() | RESOURCES), max_size=12)


def apply(journal: Journal, machine: str, resource: Resource | None) -> None:
    if resource is None:
        journal.forget(machine)
    else:
        journal.record(machine, resource)


@settings(max_examples=40)
@given(operations=OPERATIONS, cut=st.floats(0, 1))
def test_a_crash_at_any_byte_leaves_a_moment_of_the_past(
    operations: list[tuple[str, Resource | None]], cut: float
) -> None:
    """And what the next journal records after it is not lost in the torn line."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "journal")
        journal = Journal(path)
        moments: list[dict[str, list[Resource]]] = [{}]
        for machine, resource in operations:
            apply(journal, machine, resource)
            moments.append({name: list(resources) for name, resources in journal.machines.items()})
        journal.close()
        assert read(path) == moments[-1]
        os.truncate(path, int(os.path.getsize(path) * cut))
        assert (left := read(path)) in moments
        with open(path, "ab") as torn:
            torn.write(b'\n{"machine":"z","resour')
        following = Journal(path)
        following.record("next", Resource("folder", "/f"))
        following.close()
        assert read(path) == {**left, "next": [Resource("folder", "/f")]}


def test_history_takes_no_room(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(str(path))
    journal.record("kept", Resource("pod", "kept", {"namespace": "n"}), durable=True)
    for number in range(3 * journals.COMPACT_LINES):
        journal.record(f"m{number}", Resource("folder", f"/scratch/m{number}"))
        journal.forget(f"m{number}")
    journal.close()
    assert len(path.read_bytes().split()) <= journals.COMPACT_LINES + 3
    assert read(str(path)) == {"kept": [Resource("pod", "kept", {"namespace": "n"})]}


def test_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "MAX_MACHINES", 1)
    journal = Journal(str(tmp_path / "journal"))
    journal.record("one", Resource("folder", "/one"))
    journal.record("one", Resource("file", "/one.sock"))
    with pytest.raises(JournalFull):
        journal.record("two", Resource("folder", "/two"))
    assert list(read(str(tmp_path / "journal"))) == ["one"]
    journal.close()
