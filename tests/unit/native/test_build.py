"""The script that builds the extension: what decides whether it builds."""

import importlib.util
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


def test_without_rust_it_names_the_command(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="install it with: sudo apt-get install"):
        build.install_cargo()


def test_what_is_installed_is_what_was_built(build: ModuleType) -> None:
    installed = build.installed_from()
    assert installed is not None
    assert installed.endswith(".whl")
