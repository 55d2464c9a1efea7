"""Builds the Rust extension `lakegate_native` and installs it into the virtual environment this script runs in.

Wheels are kept in the cache folder outside the clone, keyed by what they are made of: the crate's files, its lock file
and the compiler's version. A second clone or run builds nothing.

    uv run --no-sync python native/build.py
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from compute.spark.cache import cache_folder

CRATE = Path(__file__).resolve().parent
SOURCES = ("src/**/*.rs", "Cargo.toml", "Cargo.lock", ".cargo/config.toml", "pyproject.toml", "*.pyi")
INSTALL_RUST = "apt-get install --yes --no-install-recommends cargo gcc libc6-dev"
RUSTUP = Path.home() / ".cargo" / "bin"


def main() -> None:
    """Leaves the right wheel installed; takes milliseconds where it is already."""
    cargo = find_cargo() or install_cargo()
    wheels = cache_folder(os.environ) / "wheels" / fingerprint(cargo)
    wheel = next(wheels.glob("*.whl"), None)
    if wheel is None:
        build(cargo, wheels)
        wheel = next(wheels.glob("*.whl"))
    if installed_from() != wheel.as_uri():
        install(wheel)


def find_cargo() -> str | None:
    return shutil.which("cargo") or shutil.which("cargo", path=str(RUSTUP))


def install_cargo() -> str:
    """Installs Rust and a C compiler from the system's packages where we may, else says which command does."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update"], check=True)
        subprocess.run(INSTALL_RUST.split(), check=True)
        if cargo := find_cargo():
            return cargo
    sys.exit(f"cargo (Rust 1.88 or later) is missing; install it with: sudo {INSTALL_RUST}")


def fingerprint(cargo: str) -> str:
    """The key of the wheel that these sources make with this compiler."""
    rustc = str(Path(cargo).with_name("rustc"))
    digest = hashlib.sha256(subprocess.run([rustc, "--version"], check=True, capture_output=True).stdout)
    for path in sorted(path for pattern in SOURCES for path in CRATE.glob(pattern)):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(CRATE)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:32]


def build(cargo: str, wheels: Path) -> None:
    """Builds the wheel beside its final place, so that what is in the cache is always whole."""
    unfinished = wheels.with_name(f"{wheels.name}.{os.getpid()}")
    command = [sys.executable, "-m", "maturin", "build", "--release", "--locked", "--out", unfinished]
    print("building the native extension (about three minutes the first time)", file=sys.stderr)
    subprocess.run(command, check=True, cwd=CRATE, env=build_environment(cargo))
    shutil.rmtree(wheels, ignore_errors=True)
    unfinished.rename(wheels)


def build_environment(cargo: str) -> dict[str, str]:
    """bindgen needs libclang, which the wheel of that name has, and the compiler's own headers, which it has not."""
    include = subprocess.run(["gcc", "-print-file-name=include"], check=True, capture_output=True, text=True).stdout
    return os.environ | {
        "PATH": os.pathsep.join((str(Path(cargo).parent), os.environ["PATH"])),
        "CARGO_TARGET_DIR": str(cache_folder(os.environ) / "target"),
        "LIBCLANG_PATH": str(Path(sysconfig.get_paths()["platlib"]) / "clang" / "native"),
        "BINDGEN_EXTRA_CLANG_ARGS": f"-I{include.strip()}",
    }


def installed_from() -> str | None:
    """The wheel that the installed extension came from, as the installer noted it (PEP 610)."""
    try:
        origin = metadata.distribution("lakegate-native").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    return json.loads(origin)["url"] if origin else None


def install(wheel: Path) -> None:
    command = ["uv", "pip", "install", "--quiet", "--no-deps", "--reinstall", "--python", sys.executable, str(wheel)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
