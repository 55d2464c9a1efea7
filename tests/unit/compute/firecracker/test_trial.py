"""What a host lacks, said so that an operator can do something about it."""

from pathlib import Path

from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.trial import find_missing, read_version


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def config(folder: Path, firecracker: Path, jailer: Path) -> FirecrackerConfig:
    return FirecrackerConfig(
        firecracker=firecracker,
        jailer=jailer,
        kernel=folder / "vmlinux",
        initrd=folder / "initrd",
        root_image=folder / "root.erofs",
        folder=folder / "machines",
        cgroup_root=folder,
    )


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    missing = "\n".join(find_missing(config(tmp_path, tmp_path / "vmm", tmp_path / "jailer"), kvm=tmp_path / "kvm"))
    for part in (
        "kvm cannot be opened (No such file or directory)",
        "vmm is missing",
        "jailer is missing",
        "'firecracker' in it",
        "vmlinux is missing: build the guest image",
        "root.erofs is missing",
        "no control groups of version 2",
    ):
        assert part in missing


def test_versions_must_be_the_same_and_young_enough(tmp_path: Path) -> None:
    firecracker = program(tmp_path / "firecracker", "echo 'Firecracker v1.17.0'")
    jailer = program(tmp_path / "jailer", "echo 'Jailer v1.7.1'; echo exited")
    missing = "\n".join(find_missing(config(tmp_path, firecracker, jailer)))
    assert "has version 1.7.1: 1.16.1 or later is needed" in missing
    assert "are of different versions" in missing
    assert read_version(firecracker) == (1, 17, 0)


def test_a_device_that_is_no_kvm_is_refused(tmp_path: Path) -> None:
    missing = find_missing(config(tmp_path, tmp_path / "firecracker", tmp_path / "jailer"), kvm=Path("/dev/null"))
    assert any("/dev/null makes no VM" in sentence for sentence in missing)


def test_a_program_that_tells_no_version_has_none(tmp_path: Path) -> None:
    assert read_version(program(tmp_path / "firecracker", "echo hello")) is None
    assert read_version(program(tmp_path / "other", "exit 1")) is None
