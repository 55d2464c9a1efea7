"""The source itself: format, lint, types, import contracts, sizes, docstrings and what must not be in the tree."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from compute.spark.cache import cache_folder
from native.build import build_environment, find_cargo
from tests.workers import UNITS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("gateway", "planner", "compute", "catalog")

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
UNDOCUMENTED_FUNCTION = 8

SIZE_EXCEPTIONS: dict[str, str] = {}
"""A path, or ``path:function``, that may be longer than the rule, and why."""

MACHINE_PATHS = re.compile(r"(?<![\w.}])/(?:work|root|home/\w+)[/]|/tmp[/]lg\b")
REGISTRY_HOSTS = re.compile(
    r"pypi\.org|pythonhosted\.org|maven\.org|maven\.apache\.org/maven2|crates\.io\b|debian\.org/debian"
)
LOCK_FILES = {"uv.lock", "native/Cargo.lock", "tests/drivers/clients/rust/Cargo.lock"}


def run(*command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
    """Runs a tool; its output is the failure's text."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@cache
def tracked(*suffixes: str) -> tuple[Path, ...]:
    """Files that git tracks or would add, by suffix; all of them without one."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (ROOT / line for line in listing.stdout.splitlines())
    return tuple(path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_format() -> None:
    run(tool("ruff"), "format", "--check", "--diff", ".")


def test_lint() -> None:
    run(tool("ruff"), "check", ".")


@pytest.mark.slow
def test_types() -> None:
    """What mypy remembers lies outside the clone, as a new clone has to be checked quickly too."""
    run(tool("mypy"), "--cache-dir", str(cache_folder(os.environ) / "mypy"))


def test_import_contracts() -> None:
    run(tool("lint-imports"))


def cargo(*arguments: str, crate: str = "native") -> None:
    """As the wheel's own build calls it: same compiler, same cache outside the clone."""
    found = find_cargo()
    assert found is not None, "cargo is missing: make setup installs it"
    run(found, *arguments, cwd=ROOT / crate, env=build_environment(found))


@pytest.mark.parametrize("crate", ["native", "tests/drivers/clients/rust"])
def test_rust_format(crate: str) -> None:
    cargo("fmt", "--check", crate=crate)


@pytest.mark.slow
def test_rust_lint() -> None:
    cargo("clippy", "--quiet", "--locked", "--all-targets", "--", "--deny", "warnings")


def test_file_sizes() -> None:
    too_long = {
        name: lines
        for path in tracked(".py", ".rs")
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
        and (name := relative(path)) not in SIZE_EXCEPTIONS
    }
    assert too_long == {}


def test_function_sizes() -> None:
    too_long = {
        name: length(function)
        for path in tracked(".py")
        for function in functions(parsed(path))
        if length(function) > LONGEST_FUNCTION and (name := f"{relative(path)}:{function.name}") not in SIZE_EXCEPTIONS
    }
    assert too_long == {}


def test_size_exceptions_are_needed() -> None:
    stale = [
        name for name in SIZE_EXCEPTIONS if not (ROOT / name.partition(":")[0]).is_file() or not SIZE_EXCEPTIONS[name]
    ]
    assert stale == []


def test_units_are_there() -> None:
    """Paths by which tests share a process."""
    gone = [name for unit in UNITS for name in unit if not list(ROOT.glob(f"{name.removesuffix('/')}*"))]
    assert gone == []


def test_modules_have_docstrings() -> None:
    bare = [
        relative(path)
        for path in tracked(".py")
        if path.read_text().strip() and not (ast.get_docstring(parsed(path)) or "").strip()
    ]
    assert bare == []


def test_packages_describe_their_architecture() -> None:
    """A package's docstring says what it owns and what it never does: more than a line."""
    terse = [
        package
        for package in PACKAGES
        if len((ast.get_docstring(parsed(ROOT / package / "__init__.py")) or "").splitlines()) < 5
    ]
    assert terse == []


def test_public_functions_have_docstrings() -> None:
    bare = [
        f"{relative(path)}:{node.name}"
        for path in tracked(".py")
        if path.relative_to(ROOT).parts[0] in PACKAGES
        for node in functions(parsed(path))
        if not node.name.startswith("_") and length(node) > UNDOCUMENTED_FUNCTION and not ast.get_docstring(node)
    ]
    assert bare == []


def test_no_leftover_marks() -> None:
    marks = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!\d)")
    found = [relative(path) for path in tracked(".py", ".rs", ".sql", ".toml") if marks.search(path.read_text())]
    assert [name for name in found if name != relative(Path(__file__))] == []


def test_nothing_of_one_machine() -> None:
    """No path of the machine it was written on and no host of a registry: both belong to a clone's own set-up."""
    found = []
    for path in tracked():
        if relative(path) in LOCK_FILES or b"\0" in (content := path.read_bytes()):
            continue
        text = content.decode()
        found += [
            f"{relative(path)}: {hit[0]}" for rule in (MACHINE_PATHS, REGISTRY_HOSTS) for hit in rule.finditer(text)
        ]
    assert found == []
