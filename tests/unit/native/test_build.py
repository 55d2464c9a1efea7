"""The script that builds the extension: what decides whether it builds."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "native" / "build.py"


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The script as a module, over a small crate of its own."""
    spec = importlib.util.spec_from_file_location("native_build", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "lib.rs").write_text("// one")
    (tmp_path / "Cargo.lock").write_text("# locked")
    monkeypatch.setattr(module, "CRATE", tmp_path)
    yield module
    sys.modules.pop("native_build", None)


def test_the_key_follows_every_source(build: ModuleType, tmp_path: Path) -> None:
    cargo = build.find_cargo()
    assert cargo is not None
    keys = [build.fingerprint(cargo)]
    for path, content in (("src/lib.rs", "// two"), ("Cargo.lock", "# other"), ("src/new.rs", ""), ("x.pyi", "")):
        (tmp_path / path).write_text(content)
        keys.append(build.fingerprint(cargo))
    assert len(set(keys)) == len(keys)
    (tmp_path / "README.md").write_text("no source")
    assert build.fingerprint(cargo) == keys[-1]


@pytest.mark.parametrize(
    ("packages", "advice"),
    [
        ({"cargo-web": (1, 96), "cargo": (0, 66)}, "install it with: sudo apt-get install .* cargo-web rustfmt-web"),
        ({"cargo-web": (0,), "cargo": (1, 91)}, "install it with: sudo apt-get install .* cargo rustfmt"),
        ({"cargo-web": (1, 85), "cargo": (1, 75)}, "install it with rustup"),
    ],
)
def test_without_rust_it_names_the_command(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, packages: dict[str, tuple[int, ...]], advice: str
) -> None:
    monkeypatch.setattr(build.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(build, "packaged_version", packages.__getitem__)
    with pytest.raises(SystemExit, match=advice):
        build.install_cargo()


def test_an_old_rust_is_none(build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cargo = tmp_path / "cargo"
    cargo.write_text("#!/bin/sh\necho cargo 1.63.0")
    cargo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(build, "RUSTUP", tmp_path)
    assert build.find_cargo() is None
    cargo.write_text("#!/bin/sh\necho cargo 1.88.0")
    assert build.find_cargo() == str(cargo)


def test_versions_of_packages(build: ModuleType) -> None:
    assert build.packaged_version("libc6") >= (2, 0)
    assert build.packaged_version("no-such-package") == (0,)


def test_what_is_installed_is_what_was_built(build: ModuleType) -> None:
    installed = build.installed_from()
    assert installed is not None
    assert installed.endswith(".whl")
