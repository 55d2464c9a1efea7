"""Builds the Rust extension `lakegate_native` and installs it into the virtual environment this script runs in.

Wheels are kept in the cache folder outside the clone, keyed by what they are made of: the crate's files, its lock file
and the compiler's version. A second clone or run builds nothing.

    uv run --no-sync python native/build.py
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from compute.spark.cache import cache_folder

CRATE = Path(__file__).resolve().parent
SOURCES = ("src/**/*.rs", "Cargo.toml", "Cargo.lock", ".cargo/config.toml", "pyproject.toml", "*.pyi")
OLDEST_RUST = (1, 88)
"""What the locked crates need."""
TOOLCHAINS = (("cargo-web", "rustfmt-web", "rust-web-clippy"), ("cargo", "rustfmt", "rust-clippy"))
"""Packages of Debian and Ubuntu: a current Rust, kept for browsers, and the release's own."""
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
    """One that is new enough."""
    found = (shutil.which("cargo"), shutil.which("cargo", path=str(RUSTUP)))
    return next((cargo for cargo in found if cargo and rust_version(cargo) >= OLDEST_RUST), None)


def rust_version(cargo: str) -> tuple[int, ...]:
    told = subprocess.run([cargo, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, told.split()[1].split(".")[:2]))


def install_cargo() -> str:
    """Installs Rust and a C compiler from the system's packages where we may, else says which command does."""
    missing = f"cargo (Rust {OLDEST_RUST[0]}.{OLDEST_RUST[1]} or later) is missing; install it with"
    may_install = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if may_install:
        subprocess.run(["apt-get", "update"], check=True)
    toolchain = next((packages for packages in TOOLCHAINS if packaged_version(packages[0]) >= OLDEST_RUST), None)
    if toolchain is None:
        sys.exit(f"{missing} rustup: this system's packages are older")
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *toolchain, "gcc", "libc6-dev"]
    if may_install:
        subprocess.run(command, check=True)
        if cargo := find_cargo():
            return cargo
    sys.exit(f"{missing}: sudo {' '.join(command)}")


def packaged_version(package: str) -> tuple[int, ...]:
    """Of the newest that could be installed; (0,) where there is none."""
    command = ["apt-cache", "show", "--no-all-versions", package]
    told = (
        subprocess.run(command, check=False, capture_output=True, text=True).stdout if shutil.which("apt-cache") else ""
    )
    found = re.search(r"^Version: (?:\d+:)?(\d+)\.(\d+)", told, re.MULTILINE)
    return tuple(map(int, found.groups())) if found else (0,)


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
    command = [sys.executable, "-m", "maturin", "build", "--release", "--locked", "--out", str(unfinished)]
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
        "LIBCLANG_PATH": str(libclang_folder()),
        "BINDGEN_EXTRA_CLANG_ARGS": f"-I{include.strip()}",
    }


def libclang_folder() -> Path:
    """Where the wheel's library is kept: not in the clone, since Cargo builds all anew where this path is another."""
    packaged = Path(sysconfig.get_paths()["platlib"], "clang", "native", "libclang.so")
    kept = cache_folder(os.environ) / "libclang" / metadata.version("libclang") / packaged.name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copyfile(packaged, unfinished)
        unfinished.rename(kept)
    return kept.parent


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
